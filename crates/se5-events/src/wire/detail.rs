//! What only some forms of an event state: looked up when asked for, so that events stay small.

use super::person::member;
use super::{FaceEvent, Image, Picture, RemotePicture, Timestamp, UnixMillis};
use lenient_wire::{Kind, Value, boolean, float, integer, text, unix_millis};
use std::borrow::Cow;

/// Facts of recorded events and of the push envelopes; each look-up walks the message once.
impl FaceEvent {
    /// `ep_info.ep_name`, `media_device_info.name` or `media_device_name`: the device's name.
    pub fn device_name(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[
            &["common", "ep_info", "ep_name"],
            &["ep_info", "ep_name"],
            &["media_device_info", "name"],
            &["media_device_info", "media_device_name"],
            &["media_device_name"],
        ])
    }

    /// `ep_info.ep_id`: the endpoint's number beside its `device_id`.
    pub fn endpoint_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["common", "ep_info", "ep_id"], &["ep_info", "ep_id"]])
    }

    /// `permission_id`
    pub fn permission_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["common", "permission_id"], &["permission_id"]])
    }

    /// `permission_name`
    pub fn permission_name(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["common", "permission_name"], &["permission_name"]])
    }

    /// `card_id`: the card that was shown, where one was.
    pub fn card_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["common", "card_id"], &["card_id"]])
    }

    /// `frame_id`: the frame of the video that showed the face.
    pub fn frame_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["common", "frame_id"], &["frame_id"]])
    }

    /// `want_action` or `post_action`: what the box asks for; 0, 1001 and 1002 are seen.
    pub fn action(&self) -> Option<i64> {
        self.number_at(&[
            &["common", "want_action"],
            &["want_action"],
            &["post_action"],
        ])
    }

    /// `is_send`: whether the box has uploaded the event already.
    pub fn is_sent(&self) -> Option<bool> {
        let (json, value) = self.find(&[&["common", "is_send"], &["is_send"]])?;
        boolean(json, value)
    }

    /// `recognize_face_attr` as JSON: box, points, mask, gender, hat, age, glasses, expression and,
    /// in recorded events, the feature vector.
    pub fn face_attributes(&self) -> Option<&str> {
        self.raw(&["recognize_face_attr"])
            .or_else(|| self.raw(&["common", "recognize_face_attr"]))
    }

    /// `grab_fiqa_info` (spelt `grap_fiqa_info` in the history) as JSON: quality at the camera.
    pub fn camera_quality(&self) -> Option<&str> {
        self.raw(&["ext_data", "grab_fiqa_info"])
            .or_else(|| self.raw(&["grab_data", "grap_fiqa_info"]))
            .or_else(|| self.raw(&["grab_data", "grab_fiqa_info"]))
    }

    /// `box_fiqa_info` as JSON: quality at the box.
    pub fn box_quality(&self) -> Option<&str> {
        self.raw(&["ext_data", "box_fiqa_info"])
    }

    /// `in_timestamp`: when the face came into view.
    pub fn entered_at(&self) -> Option<Timestamp<'_>> {
        self.time_at(&[&["video_data", "in_timestamp"], &["in_timestamp"]])
    }

    /// `out_timestamp`: when the face went out of view.
    pub fn left_at(&self) -> Option<Timestamp<'_>> {
        self.time_at(&[&["video_data", "out_timestamp"], &["out_timestamp"]])
    }

    /// `video_data.recognition_timestamp`: when the face was recognised.
    pub fn recognised_at(&self) -> Option<Timestamp<'_>> {
        self.time_at(&[&["video_data", "recognition_timestamp"]])
    }

    /// `video_data.track_id`: the box's number for one walk through the view.
    pub fn track_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["video_data", "track_id"]])
    }

    /// `video_data.unknown_id`: the box's number for a face it does not know.
    pub fn unknown_id(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["video_data", "unknown_id"]])
    }

    /// `video_data.pose_score`
    pub fn pose_score(&self) -> Option<f64> {
        let (json, value) = self.find(&[&["video_data", "pose_score"]])?;
        float(json, value)
    }

    /// `api_version` of a push envelope: `"1.0"` or `"2.0"`.
    pub fn api_version(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["api_version"]])
    }

    /// `dev_sno` of a push envelope: the box's serial number.
    pub fn box_serial(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["dev_sno"]])
    }

    /// `mq_license_key` of a push envelope. A credential: keep it out of logs.
    pub fn license_key(&self) -> Option<Cow<'_, str>> {
        self.text_at(&[&["mq_license_key"]])
    }

    /// `ir_pic` or `ir_image`, or by `gate_data.ir_image_id`: the infrared picture.
    pub fn infrared_picture(&self) -> Picture {
        let inline = self.find(&[&["ir_pic"], &["ir_image"]]);
        if let Some((json, value)) = inline.filter(|(json, value)| is_picture(json, *value)) {
            return Picture::Inline(Image::new(self.json().slice_ref(value.of(json))));
        }
        self.remote_at(&[&["gate_data", "ir_image_id"]])
    }

    /// By `gate_data.depth_image_id`: the depth picture.
    pub fn depth_picture(&self) -> Picture {
        self.remote_at(&[&["gate_data", "depth_image_id"]])
    }

    fn remote_at(&self, paths: &[&[&str]]) -> Picture {
        let id = self.text_at(paths).filter(|id| !id.trim().is_empty());
        match (id, self.timestamp()) {
            (Some(id), Some(at)) => Picture::Remote(RemotePicture::Recorded {
                id: id.into_owned(),
                time: at.raw.into_owned(),
            }),
            _ => Picture::Absent,
        }
    }

    fn text_at(&self, paths: &[&[&str]]) -> Option<Cow<'_, str>> {
        let (json, value) = self.find(paths)?;
        text(json, value)
    }

    fn number_at(&self, paths: &[&[&str]]) -> Option<i64> {
        let (json, value) = self.find(paths)?;
        integer(json, value)
    }

    fn time_at(&self, paths: &[&[&str]]) -> Option<Timestamp<'_>> {
        let raw = self.text_at(paths)?;
        Some(Timestamp {
            unix: UnixMillis(unix_millis(&raw)?),
            raw,
        })
    }

    /// The first of `paths` that leads to something other than null, and the object it is in.
    fn find(&self, paths: &[&[&str]]) -> Option<(&[u8], Value)> {
        paths.iter().find_map(|path| {
            let (name, objects) = path.split_last()?;
            let mut json: &[u8] = self.json();
            for object in objects {
                let value = member(json, object).filter(|value| value.kind == Kind::Object)?;
                json = value.of(json);
            }
            let value = member(json, name).filter(|value| value.kind != Kind::Null)?;
            Some((json, value))
        })
    }
}

fn is_picture(json: &[u8], value: Value) -> bool {
    value.kind == Kind::Bulk && !Image::is_blank(value.of(json))
}
