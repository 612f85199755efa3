//! Signatures of requests.
