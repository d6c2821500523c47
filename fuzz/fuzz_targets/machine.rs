#![no_main]
//! See `smsotpd_fuzz::machine`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsotpd_fuzz::machine::run(data));
