//! What crosses a process: the messages between Holdfast's programs, and between them and clients.

#![warn(missing_docs)]

pub mod alert;
pub mod arm;
pub mod credentials;
pub mod helper;
pub mod openapi;
pub mod record;
