//! Who asks: the kernel says which uid holds the other end of the socket, and a list says what that uid may do.
//!
//! Root and the daemon's own user are admin; whoever else may open the socket may only validate, unless the list names it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::queue::message::Lane;
use crate::secret::Secret;

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
    /// The lane of what it sends through an interface that has no word for lanes.
    pub lane: Lane,
    /// What its Kannel clients say who they are, if they insist on saying so.
    pub kannel: Option<Login>,
}

/// Name and password of a Kannel client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Kannel's `username`.
    pub user: String,
    /// Kannel's `password`.
    pub password: Secret,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The login name, or `uid:<n>` for a uid that the list does not name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// The lane of what it sends without naming one, where an interface leaves it open.
    pub lane: Lane,
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
pub struct Callers {
    known: HashMap<u32, Caller>,
    kannel: Vec<(Login, Caller)>,
}

impl Callers {
    /// Resolves the rules; of several for one user the last one counts. Root and `own` are admin whatever the rules say.
    ///
    /// # Errors
    /// When a login is not known.
    pub fn new(rules: &[Rule], own: u32) -> Result<Self, CallerError> {
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let (mut known, mut kannel) = (HashMap::new(), Vec::new());
        for rule in rules {
            let (uid, name) = match &rule.user {
                User::Uid(uid) => (*uid, login_of(&passwd, *uid).unwrap_or_else(|| unnamed(*uid))),
                User::Login(login) => {
                    let uid = uid_of(&passwd, login).ok_or_else(|| CallerError::Unknown(login.clone()))?;
                    (uid, login.as_str().into())
                }
            };
            let caller = Caller { name, role: rule.role, lane: rule.lane, listed: true };
            kannel.extend(rule.kannel.clone().map(|login| (login, caller.clone())));
            known.insert(uid, caller);
        }
        for uid in [0, own] {
            let name = login_of(&passwd, uid).unwrap_or_else(|| unnamed(uid));
            let lane = known.get(&uid).map_or(Lane::Bulk, |caller| caller.lane);
            known.insert(uid, Caller { name, role: Role::Admin, lane, listed: true });
        }
        Ok(Self { known, kannel })
    }

    /// Whoever runs the tests, which may be root, has this role.
    #[cfg(test)]
    pub(super) fn only(role: Role) -> Self {
        let caller = Caller { name: "tester".into(), role, lane: Lane::Bulk, listed: true };
        let known = HashMap::from([(rustix::process::getuid().as_raw(), caller)]);
        Self { known, kannel: Vec::new() }
    }

    /// Nobody is listed, not even whoever runs the tests.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { known: HashMap::new(), kannel: Vec::new() }
    }

    /// The caller with this uid.
    #[must_use]
    pub fn of(&self, uid: u32) -> Caller {
        let stranger =
            || Caller { name: unnamed(uid), role: Role::Validate, lane: Lane::Bulk, listed: false };
        self.known.get(&uid).cloned().unwrap_or_else(stranger)
    }

    /// The caller whose Kannel client says this: `None` where no rule has such a name, `Some(None)` where the password is another.
    #[must_use]
    pub fn by_password(&self, user: &str, password: &Secret) -> Option<Option<Caller>> {
        let (login, caller) = self.kannel.iter().find(|(login, _)| login.user == user)?;
        // Secrets are compared in constant time.
        Some((login.password == *password).then(|| caller.clone()))
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

    fn rule(user: User, role: Role) -> Rule {
        Rule { user, role, lane: Lane::Bulk, kannel: None }
    }

    #[test]
    fn a_password_names_a_caller() {
        let login = Login { user: "nagios".into(), password: Secret::from("s3cret") };
        let rules =
            [Rule { lane: Lane::Alert, kannel: Some(login), ..rule(User::Uid(4_000_000_001), Role::Send) }];
        let callers = Callers::new(&rules, 4_000_000_002).unwrap();
        let found = callers.by_password("nagios", &Secret::from("s3cret")).unwrap().unwrap();
        assert_eq!(
            (found.role, found.lane, found == callers.of(4_000_000_001)),
            (Role::Send, Lane::Alert, true)
        );
        for wrong in ["", "s3cre", "s3cret ", "S3cret"] {
            assert_eq!(callers.by_password("nagios", &Secret::from(wrong)), Some(None));
        }
        assert_eq!(callers.by_password("zabbix", &Secret::from("s3cret")), None);
    }

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
        let rules = [rule(User::Uid(0), Role::Validate), rule(User::Uid(4_000_000_001), Role::Send)];
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
        let rules = [rule(User::Login("nobody-has-this-name".into()), Role::Send)];
        assert!(matches!(Callers::new(&rules, 1), Err(CallerError::Unknown(_))));
    }

    #[test]
    fn groups_are_names_or_numbers() {
        assert_eq!(gid_of("1234").unwrap(), Some(1234));
        assert_eq!(gid_of("nobody-has-this-group").unwrap(), None);
    }
}
