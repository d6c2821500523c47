//! The last two steps of the health ladder, which no AT command can do: taking a USB modem off its bus and on again, and the
//! site's own hook (a power switch, a relay).

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::usb;

/// Where the kernel tells of devices.
const SYSFS: &str = "/sys";
/// How long a modem stays off its bus: hubs that switch power want a moment.
const OFF: Duration = Duration::from_secs(2);
/// A hook that takes longer is killed; a power switch needs seconds.
const HOOK_LIMIT: Duration = Duration::from_secs(60);

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum PowerError {
    /// Not on USB, or not visible in sysfs.
    #[error("{0} is no USB modem")]
    NotUsb(PathBuf),
    /// The daemon's user may not write there, as a rule.
    #[error("{path} cannot be written: {cause}")]
    Authorise { path: PathBuf, cause: io::Error },
    /// None is set.
    #[error("no site hook is set")]
    NoHook,
    /// It did not start.
    #[error("the site hook did not start: {0}")]
    Hook(#[from] io::Error),
    /// It said no.
    #[error("the site hook ended with {0}")]
    HookFailed(std::process::ExitStatus),
    /// It was killed.
    #[error("the site hook took longer than 60 s")]
    HookSlow,
}

/// Takes the USB device behind the tty `target` off its bus and on again; all its ports come anew.
pub(super) async fn reauthorise(target: &Path) -> Result<(), PowerError> {
    let switch =
        usb::authorised(Path::new(SYSFS), target).ok_or_else(|| PowerError::NotUsb(target.to_owned()))?;
    for (value, pause) in [("0", OFF), ("1", Duration::ZERO)] {
        tokio::fs::write(&switch, value)
            .await
            .map_err(|cause| PowerError::Authorise { path: switch.clone(), cause })?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Runs the hook with the port's name and the modem's IMEI.
pub(super) async fn site_hook(hook: Option<&Path>, port: &str, imei: Option<&str>) -> Result<(), PowerError> {
    let hook = hook.ok_or(PowerError::NoHook)?;
    let mut command = Command::new(hook);
    command.arg(port).arg(imei.unwrap_or_default()).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn()?;
    let ended =
        tokio::time::timeout(HOOK_LIMIT, running.wait()).await.map_err(|_| PowerError::HookSlow)??;
    if ended.success() { Ok(()) } else { Err(PowerError::HookFailed(ended)) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_hook_learns_port_and_imei() {
        let root = tempfile::tempdir().unwrap();
        let (hook, out) = (root.path().join("hook"), root.path().join("out"));
        fs::write(&hook, format!("#!/bin/sh\necho \"$1 $2\" > {}\n", out.display())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o700)).unwrap();
        site_hook(Some(&hook), "a-at1", Some("490154203237518")).await.unwrap();
        assert_eq!(fs::read_to_string(out).unwrap(), "a-at1 490154203237518\n");
        assert!(matches!(site_hook(None, "a", None).await, Err(PowerError::NoHook)));
    }
}
