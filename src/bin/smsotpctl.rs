//! `smsotpctl`, the operator's tool; it lives in the library so that tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    smsotpd::ctl::main()
}
