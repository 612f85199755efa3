//! Socket.IO packets over Engine.IO, revisions 3 and 4.
