//! The header of the PROXY protocol, version 2, with which a proxy names the client's address before
//! the client's first byte.
//!
//! The header is read exactly: 16 bytes, then as many as they say, so that nothing of what follows
//! is taken from the socket. Only the source address counts; extensions (TLVs) must be whole and are
//! ignored. Version 1 is not read. Which peers may send a header is decided by the caller.
//!
//! Specification: "The PROXY protocol", versions 1 and 2, by Willy Tarreau, section 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first 12 bytes. No request of HTTP begins so.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length of the rest.
const HEAD: usize = 16;
/// The longest rest that is read. Addresses have at most 216 bytes; certificates' names, ids of
/// cloud networks and checksums follow them.
const REST_MAX: usize = 4096;

/// Why a connection has no header that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum HeaderError {
    #[error("it is not a trusted proxy")]
    Untrusted,
    #[error("it did not send the header in time")]
    Late,
    #[error("the connection ended within the header")]
    Cut,
    #[error("it did not begin with the signature of the PROXY protocol")]
    Signature,
    #[error("it sent a header of version 1; only version 2 is read (HAProxy: send-proxy-v2)")]
    Version1,
    #[error("the header is not of version 2")]
    Version,
    #[error("the header's command is neither LOCAL nor PROXY")]
    Command,
    #[error("the header's address family or transport is unknown")]
    Family,
    #[error("the header's addresses or extensions do not fit its length")]
    Length,
    #[error("the header is longer than {REST_MAX} bytes")]
    TooLong,
}

impl HeaderError {
    /// The word for metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            HeaderError::Untrusted => "untrusted",
            HeaderError::Late => "late",
            HeaderError::Cut => "cut",
            HeaderError::Signature => "signature",
            HeaderError::Version1 => "version1",
            HeaderError::Version => "version",
            HeaderError::Command => "command",
            HeaderError::Family => "family",
            HeaderError::Length => "length",
            HeaderError::TooLong => "too_long",
        }
    }
}

/// Reads one header from a socket and nothing beyond it. None: it names no address, because the
/// proxy speaks for itself (a health check) or the client has none (a Unix socket).
pub(super) async fn read(
    socket: &mut (impl AsyncRead + Unpin),
    within: Duration,
) -> Result<Option<SocketAddr>, HeaderError> {
    tokio::time::timeout(within, read_exactly(socket)).await.unwrap_or(Err(HeaderError::Late))
}

async fn read_exactly(
    socket: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, HeaderError> {
    let mut head = [0; HEAD];
    let mut length = 0;
    // What is wrong from the first bytes on is refused without waiting for the others.
    while length < HEAD {
        match socket.read(&mut head[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return Err(HeaderError::Cut),
        }
        check_signature(&head[..length])?;
    }
    let rest_length = rest_length(&head)?;
    let mut rest = [0; REST_MAX];
    let rest = &mut rest[..rest_length];
    socket.read_exact(rest).await.map_err(|_| HeaderError::Cut)?;
    source(&head, rest)
}

/// Whether these first bytes may be those of a header.
fn check_signature(start: &[u8]) -> Result<(), HeaderError> {
    let length = start.len().min(SIGNATURE.len());
    if start[..length] == SIGNATURE[..length] {
        Ok(())
    } else if start.starts_with(b"PROXY ") {
        Err(HeaderError::Version1)
    } else if start.len() < 6 && b"PROXY ".starts_with(start) {
        Ok(())
    } else {
        Err(HeaderError::Signature)
    }
}

/// How many bytes follow this head.
fn rest_length(head: &[u8; HEAD]) -> Result<usize, HeaderError> {
    if head[12] >> 4 != 2 {
        return Err(HeaderError::Version);
    }
    if head[12] & 15 > 1 {
        return Err(HeaderError::Command);
    }
    match usize::from(u16::from_be_bytes([head[14], head[15]])) {
        length if length > REST_MAX => Err(HeaderError::TooLong),
        length => Ok(length),
    }
}

/// The address of the client.
fn source(head: &[u8; HEAD], rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    if head[12] & 15 == 0 {
        return Ok(None);
    }
    let (address, extensions) = match head[13] {
        0x00 => return Ok(None),
        0x11 | 0x12 => {
            let (block, extensions) = block::<12>(rest)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *block;
            let port = u16::from_be_bytes([high, low]);
            (Some((IpAddr::from(Ipv4Addr::new(a, b, c, d)), port)), extensions)
        }
        0x21 | 0x22 => {
            let (block, extensions) = block::<36>(rest)?;
            let (address, _) = self::block::<16>(block)?;
            let port = u16::from_be_bytes([block[32], block[33]]);
            (Some((IpAddr::from(Ipv6Addr::from(*address)), port)), extensions)
        }
        0x31 | 0x32 => (None, block::<216>(rest)?.1),
        _ => return Err(HeaderError::Family),
    };
    check_extensions(extensions)?;
    Ok(address.map(SocketAddr::from))
}

fn block<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), HeaderError> {
    bytes.split_first_chunk().ok_or(HeaderError::Length)
}

/// Extensions: one byte of type, two of length, the value.
fn check_extensions(mut bytes: &[u8]) -> Result<(), HeaderError> {
    while !bytes.is_empty() {
        let ([_, high, low], rest) = block::<3>(bytes)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).ok_or(HeaderError::Length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
