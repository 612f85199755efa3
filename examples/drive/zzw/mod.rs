//! Both ends of the zzw push system on real sockets: the server with its four ports, and the client.

pub mod device;
pub mod place;
pub mod room;
pub mod server;
pub mod store;
