#![no_main]
//! See `smsotpd_fuzz::pdu`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| smsotpd_fuzz::pdu::run(data));
