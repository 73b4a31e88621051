//! Parses enums, and has the scope of declarations.

use protojson::{Enum, Features, File, Problem};

use super::{lexer::Token, tokens::Tokens};

/// The scope of a declaration.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// The package, or the full name of the message around the declaration.
    pub(super) name: String,
    pub(super) features: Features,
}

impl Scope {
    pub(super) fn full_name(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }
}

/// Parses an enum.
pub(super) fn parse_enum(
    tokens: &mut Tokens<'_>,
    scope: &Scope,
    file: &mut File,
) -> Result<(), Problem> {
    tokens.take();
    let mut declared = Enum { name: scope.full_name(tokens.name()?), values: Vec::new() };
    tokens.symbol('{')?;
    while !tokens.accept('}') {
        match tokens.peek() {
            Token::Symbol(';') => drop(tokens.take()),
            Token::Word("option" | "reserved") if *tokens.peek_at(1) != Token::Symbol('=') => {
                tokens.skip_statement()?;
            }
            _ => {
                let name = tokens.name()?.to_owned();
                tokens.symbol('=')?;
                let wrong = tokens.problem("the number of a value has 32 bits");
                let number = i32::try_from(tokens.integer()?).map_err(|_| wrong)?;
                tokens.bracketed_options()?;
                tokens.symbol(';')?;
                declared.values.push((name, number));
            }
        }
    }
    file.enums.push(declared);
    Ok(())
}
