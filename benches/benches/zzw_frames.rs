//! The frames of the zzw push system that come most.

pub(crate) const PUBLISH: &str = r#"{"t":6,"method":"publish","topic":["c_1024"],"msg":"open door 3 of building 12","opts":{"time_to_live":60},"num":"7"}"#;
pub(crate) const ESCAPED: &str = r#"{"t":6,"method":"publish","topic":["c_1024"],"msg":"{\"cmd\":\"open\",\"door\":3}","opts":{"time_to_live":60},"num":"7"}"#;
pub(crate) const REGISTER: &str = r#"{"t":2,"topic":["c_1024","c_1025"],"info":{"communityId":"1024","name":"gate of building 3"},"num":"2"}"#;
pub(crate) const HEARTBEAT: &str = r#"{"t":1,"alias":"m_2_00A1B2C3"}"#;
pub(crate) const ACK: &str = r#"{"t":-5,"alias":"m_2_00A1B2C3","mid":"1024-7"}"#;
pub(crate) const DELIVERY: &str = r#"{"t":5,"alias":"m_2_00A1B2C3","mid":"1024-7","msg":"open door 3 of building 12","topic":"c_1024"}"#;
pub(crate) const REPLY: &str = r#"{"t":-6,"num":"7"}"#;
