//! The daemon; all of it is in the library, so that tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    smsotpd::daemon::main()
}
