//! xtea-token
