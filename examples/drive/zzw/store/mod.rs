//! shim
#[path = "../../../../crates/zzw-push-proto/tests/platform_kit/store.rs"]
mod naive;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use zzw_push_proto::platform::{Input, Seq, StoreOp, UnixMillis};

#[derive(Debug, Clone, Default)]
pub struct Settings {}
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub broken: Option<String>,
}
#[derive(Debug)]
pub struct Store(Mutex<naive::MemoryStore>);
impl Store {
    pub fn memory(_: Settings, _: Box<dyn FnMut(Vec<Input>) + Send>) -> Self {
        Self(Mutex::new(naive::MemoryStore::new()))
    }
    pub fn open(_: &Path, _: Settings, _: Box<dyn FnMut(Vec<Input>) + Send>) -> io::Result<Self> {
        Err(io::Error::other("shim"))
    }
    pub fn submit(&self, seq: Seq, op: StoreOp) -> Option<Input> {
        let at = UnixMillis(crate::clock::unix_now().0 as u64);
        Some(match self.0.lock().unwrap().execute(at, op) {
            Ok(r) => Input::Stored(seq, r),
            Err(e) => Input::StoreFailed(seq, e),
        })
    }
    pub fn close(self) -> io::Result<()> {
        Ok(())
    }
    pub fn figures(&self) -> Figures {
        Figures::default()
    }
}
