//! Reads `.proto` files.
//!
//! - `lexer`, `tokens`: the tokens of a file.
//! - `body`, `enums`, `parser`: the declarations. Options are skipped, except for those that change
//!   how messages are encoded, and extensions are not supported.
//! - `files`: finds files and their imports.

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
