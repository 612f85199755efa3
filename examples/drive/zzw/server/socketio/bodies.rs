//! Bodies of deliveries as Socket.IO has them: one to many is escaped once (G-2).

use zzw_push_proto::platform::Parcel;
use zzw_push_proto::socketio::escape;
use zzw_push_proto::wire::{Delivery, DeliveryFrame, Json, Mid};

/// Remembers the last delivery with nothing but ASCII in its body (S-4), since those to many follow
/// one another. Topic and alias may have more in them.
#[derive(Debug, Default)]
pub(in super::super) struct Bodies {
    last: Option<(Parcel, DeliveryFrame)>,
}

impl Bodies {
    /// Appends the object of a delivery. If it `escapes`, its body is ASCII; what is left is the
    /// caller's.
    pub(super) fn write(&mut self, parcel: &Parcel, escapes: bool, out: &mut Vec<u8>) {
        if !escapes {
            return parcel.encode(out);
        }
        let is_last = |(last, _): &(Parcel, DeliveryFrame)| last.is_like(parcel);
        let last = self.last.take().filter(is_last);
        let (_, frame) = self
            .last
            .insert(last.unwrap_or_else(|| (parcel.clone(), escaped(parcel))));
        frame.write(Some(parcel.alias()), &parcel.mid().to_mid(), out);
    }
}

fn escaped(parcel: &Parcel) -> DeliveryFrame {
    let body = parcel.body().as_str();
    let mut escaped = Vec::with_capacity(body.len().saturating_mul(2));
    escape(body, &mut escaped);
    // It was JSON, and still is.
    let body = Json::parse(escaped).unwrap_or_else(|_| parcel.body().clone());
    let mut delivery = Delivery::new("", Mid::new(""), body);
    delivery.topic = parcel.topic().cloned();
    DeliveryFrame::new(&delivery)
}
