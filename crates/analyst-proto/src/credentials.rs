//! User names and passwords of Aliyun's brokers.
