//! Who asks: the kernel says which uid holds the other end of the socket, and a list says what that uid may do.
//!
//! Root and the daemon's own user are admin; whoever else may open the socket may only validate, unless the list names it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// What a caller may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ask whether a code is right.
    Validate,
    /// Send messages and see its own.
    Send,
    /// Send messages in the login lane.
    Trigger,
    /// Everything.
    Admin,
}

/// Whom a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By number.
    Uid(u32),
    /// By login name, looked up in `/etc/passwd`.
    Login(String),
}

/// One rule of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it names.
    pub user: User,
    /// What that user may do.
    pub role: Role,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The login name, or `uid:<n>` for a uid that the list does not name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// Known by the list, and so believed when it says for whom it asks.
    pub listed: bool,
}

impl Caller {
    /// Whether it may do what `role` may.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }
}

/// Why the list is no good.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No such login.
    #[error("the user {0:?} is not in /etc/passwd; name its uid instead")]
    Unknown(String),
    /// The file cannot be read.
    #[error("/etc/passwd cannot be read: {0}")]
    Passwd(#[from] io::Error),
}

/// The list, its logins resolved.
#[derive(Debug, Clone)]
pub struct Callers(HashMap<u32, Caller>);

impl Callers {
    /// Resolves the rules; of several for one user the last one counts. Root and `own` are admin whatever the rules say.
    ///
    /// # Errors
    /// When a login is not known.
    pub fn new(rules: &[Rule], own: u32) -> Result<Self, CallerError> {
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let mut known = HashMap::new();
        for rule in rules {
            let (uid, name) = match &rule.user {
                User::Uid(uid) => (*uid, login_of(&passwd, *uid).unwrap_or_else(|| unnamed(*uid))),
                User::Login(login) => {
                    let uid = uid_of(&passwd, login).ok_or_else(|| CallerError::Unknown(login.clone()))?;
                    (uid, login.as_str().into())
                }
            };
            known.insert(uid, Caller { name, role: rule.role, listed: true });
        }
        for uid in [0, own] {
            let name = login_of(&passwd, uid).unwrap_or_else(|| unnamed(uid));
            known.insert(uid, Caller { name, role: Role::Admin, listed: true });
        }
        Ok(Self(known))
    }

    /// Whoever runs the tests, which may be root, has this role.
    #[cfg(test)]
    pub(super) fn only(role: Role) -> Self {
        let caller = Caller { name: "tester".into(), role, listed: true };
        Self(HashMap::from([(rustix::process::getuid().as_raw(), caller)]))
    }

    /// Nobody is listed, not even whoever runs the tests.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    /// The caller with this uid.
    #[must_use]
    pub fn of(&self, uid: u32) -> Caller {
        let stranger = || Caller { name: unnamed(uid), role: Role::Validate, listed: false };
        self.0.get(&uid).cloned().unwrap_or_else(stranger)
    }
}

fn unnamed(uid: u32) -> Arc<str> {
    format!("uid:{uid}").into()
}

/// Fields of a line are login, password, uid, ...; passwd(5).
fn uid_of(passwd: &str, login: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == login).then(|| fields.nth(1)?.parse().ok())?
    })
}

fn login_of(passwd: &str, uid: u32) -> Option<Arc<str>> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let login = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| login.into())
    })
}

/// The number of a group: a number is itself, a name is looked up in `/etc/group`.
///
/// # Errors
/// When the file cannot be read. `None`: no such group.
pub fn gid_of(group: &str) -> io::Result<Option<u32>> {
    if let Ok(gid) = group.parse() {
        return Ok(Some(gid));
    }
    // group(5) has the same first three fields as passwd(5).
    Ok(uid_of(&std::fs::read_to_string("/etc/group")?, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n\nbroken\nradiusd:x:95:95::/:/sbin/nologin\nx:x:no:1::/:/\n";

    #[test]
    fn logins_are_found_both_ways() {
        assert_eq!(uid_of(PASSWD, "radiusd"), Some(95));
        assert_eq!(uid_of(PASSWD, "radius"), None);
        assert_eq!(uid_of(PASSWD, "x"), None);
        assert_eq!(login_of(PASSWD, 95).as_deref(), Some("radiusd"));
        assert_eq!(login_of(PASSWD, 96), None);
    }

    #[test]
    fn root_and_the_own_user_are_admin_and_strangers_validate() {
        let rules = [
            Rule { user: User::Uid(0), role: Role::Validate },
            Rule { user: User::Uid(4_000_000_001), role: Role::Send },
        ];
        let callers = Callers::new(&rules, 4_000_000_002).unwrap();
        assert_eq!(callers.of(0).role, Role::Admin);
        assert_eq!(callers.of(4_000_000_002).role, Role::Admin);
        assert_eq!(callers.of(4_000_000_001).role, Role::Send);
        let stranger = callers.of(4_000_000_003);
        assert_eq!((&*stranger.name, stranger.role), ("uid:4000000003", Role::Validate));
        assert!(!stranger.may(Role::Send) && !stranger.listed);
    }

    #[test]
    fn unknown_logins_are_told() {
        let rules = [Rule { user: User::Login("nobody-has-this-name".into()), role: Role::Send }];
        assert!(matches!(Callers::new(&rules, 1), Err(CallerError::Unknown(_))));
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!(gid_of("1234").unwrap(), Some(1234));
        assert_eq!(gid_of("nobody-has-this-group").unwrap(), None);
    }
}
