//! What a host can set on a modem and `ATZ` undoes.

use super::slots::Memory;

/// Settings with their power-on values.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) echo: bool,
    /// `ATV`
    pub(super) verbose: bool,
    /// `ATQ`
    pub(super) quiet: bool,
    pub(super) cmee: u8,
    /// `<n>` of `+CREG`, `+CGREG`, `+CEREG`.
    pub(super) registration: [u8; 3],
    /// `+CMGF=1`
    pub(super) text_mode: bool,
    pub(super) charset: &'static str,
    /// mode, mt, bm, ds, bfr
    pub(super) cnmi: [u8; 5],
    /// `+CSMS` service: 1 wants `+CNMA`.
    pub(super) csms: u8,
    /// `+CPMS`: read and delete, write and send, receive.
    pub(super) memories: [Memory; 3],
    pub(super) cmms: u8,
    /// `+CSMP`: first octet, TP-VP, TP-PID, TP-DCS.
    pub(super) csmp: [u8; 4],
    pub(super) csdh: u8,
    /// `+COPS` format: 0 long, 1 short, 2 numeric.
    pub(super) operator_format: u8,
    /// `+CLIP`, `+CRC`
    pub(super) calls: [u8; 2],
}

impl Settings {
    pub(super) fn new(echo: bool) -> Self {
        Self {
            echo,
            verbose: true,
            quiet: false,
            cmee: 0,
            registration: [0; 3],
            text_mode: false,
            charset: "IRA",
            cnmi: [0; 5],
            csms: 0,
            memories: [Memory::Sm; 3],
            cmms: 0,
            csmp: [17, 167, 0, 0],
            csdh: 0,
            operator_format: 0,
            calls: [0; 2],
        }
    }
}
