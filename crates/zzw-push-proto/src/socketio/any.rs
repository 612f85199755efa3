//! Values out of a fuzzer's bytes, for people who fuzz on top of this crate.

use super::{AckId, EventName, Opening, Packet, Revision, emit};
use arbitrary::{Arbitrary, Error, Result, Unstructured};
use bytes::Bytes;
use lenient_wire::push_text;

impl<'a> Arbitrary<'a> for Revision {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(*u.choose(&[Self::V4, Self::V5])?)
    }
}

impl<'a> Arbitrary<'a> for Opening {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(*u.choose(&[Self::Polling, Self::Websocket])?)
    }
}

impl<'a> Arbitrary<'a> for EventName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(*u.choose(&Self::ALL)?)
    }
}

impl<'a> Arbitrary<'a> for AckId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let id = u.int_in_range(0..=Self::MAX.value())?;
        Self::new(id).ok_or(Error::IncorrectFormat)
    }
}

/// Any packet of namespace `/`, with text for arguments.
impl<'a> Arbitrary<'a> for Packet {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut out = Vec::new();
        match u.int_in_range(0..=5)? {
            0 => emit::write_connect(&mut out, None),
            1 => emit::write_disconnect(&mut out),
            2 => emit::write_error(&mut out, &text(u)?),
            3 => emit::write_ack(&mut out, u.arbitrary()?, &[&text(u)?]),
            4 => emit::write_event(&mut out, u.arbitrary()?, u.arbitrary()?, &[&text(u)?]),
            _ => {
                let event: EventName = u.arbitrary()?;
                emit::write_event(&mut out, u.arbitrary()?, event.as_str(), &[&text(u)?]);
            }
        }
        Self::decode(&Bytes::from(out)).map_err(|_| Error::IncorrectFormat)
    }
}

fn text(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    push_text(&mut out, u.arbitrary()?);
    Ok(out)
}
