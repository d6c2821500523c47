#![no_main]
//! See `smsotpd_fuzz::at_lines`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsotpd_fuzz::at_lines::run(data));
