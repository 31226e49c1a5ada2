//! The memory store.
/// Records of this process.
#[derive(Debug)]
pub struct MemoryStore;
