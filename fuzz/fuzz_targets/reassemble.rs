#![no_main]
//! See `smsotpd_fuzz::reassemble`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsotpd_fuzz::reassemble::run(data));
