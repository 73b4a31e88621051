//! Reads `.proto` files.
//!
//! - `lexer`, `tokens`: their words.
//! - `body`, `enums`, `parser`: their declarations. Options are skipped, except for those that change how
//!   messages are encoded, and extensions are not supported.
//! - `files`: where they and their imports are found.

mod body;
mod bundled;
mod enums;
mod files;
mod lexer;
mod parser;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use bundled::bundled;
pub(crate) use files::load;
