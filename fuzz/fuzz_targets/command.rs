#![no_main]
//! See `smsotpd_fuzz::command`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsotpd_fuzz::command::run(data));
