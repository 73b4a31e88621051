//! The declarations of a file: imports, enums and services. `body` reads messages.

use protojson::{Features, File, Method, Problem, Service};

use super::{
    body::parse_message,
    enums::{Scope, parse_enum},
    lexer::Token,
    tokens::Tokens,
};

/// Parses a file.
///
/// # Errors
///
/// Returns an error with the position of the first unexpected token.
pub(super) fn parse(name: &str, text: &str) -> Result<File, Problem> {
    let mut tokens = Tokens::new(name, text)?;
    let mut file = File { name: name.to_owned(), ..File::default() };
    let mut scope = Scope { name: String::new(), features: Features::PROTO2 };
    loop {
        if let Token::Word("export" | "local") = tokens.peek() {
            tokens.take();
        }
        match tokens.peek() {
            Token::End => return Ok(file),
            Token::Symbol(';') => drop(tokens.take()),
            Token::Word("syntax") => {
                scope.features = match version(&mut tokens)?.as_str() {
                    "proto3" => Features::PROTO3,
                    "proto2" => Features::PROTO2,
                    _ => return Err(tokens.problem("the syntax is neither proto2 nor proto3")),
                };
            }
            Token::Word("edition") => {
                version(&mut tokens)?;
                scope.features = Features::EDITIONS;
            }
            Token::Word("import") => {
                tokens.take();
                let _ = ["public", "weak", "option"].iter().any(|word| tokens.accept_word(word));
                let import = tokens.text()?;
                tokens.symbol(';')?;
                file.imports.push(import);
            }
            Token::Word("package") => {
                tokens.take();
                scope.name = tokens.full_name()?;
                tokens.symbol(';')?;
            }
            Token::Word("option") => {
                tokens.take();
                let option = tokens.option()?;
                scope.features = scope.features.with_declared(&option);
                tokens.symbol(';')?;
            }
            Token::Word("message") => {
                tokens.take();
                let name = scope.full_name(tokens.name()?);
                parse_message(&mut tokens, &scope, name, &mut file)?;
            }
            Token::Word("enum") => parse_enum(&mut tokens, &scope, &mut file)?,
            Token::Word("service") => file.services.push(parse_service(&mut tokens, &scope)?),
            Token::Word("extend") => {
                tokens.take();
                tokens.full_name()?;
                tokens.skip_block()?;
            }
            _ => return Err(tokens.expected("a message, an enum, a service or an import")),
        }
    }
}

fn version(tokens: &mut Tokens<'_>) -> Result<String, Problem> {
    tokens.take();
    tokens.symbol('=')?;
    let version = tokens.text()?;
    tokens.symbol(';')?;
    Ok(version)
}

fn parse_service(tokens: &mut Tokens<'_>, scope: &Scope) -> Result<Service, Problem> {
    tokens.take();
    let mut service = Service { name: scope.full_name(tokens.name()?), methods: Vec::new() };
    tokens.symbol('{')?;
    while !tokens.accept('}') {
        match tokens.peek() {
            Token::Symbol(';') => drop(tokens.take()),
            Token::Word("option") => tokens.skip_statement()?,
            Token::Word("rpc") => {
                tokens.take();
                let name = tokens.name()?.to_owned();
                let (streams_requests, input) = parse_type(tokens)?;
                tokens.word("returns")?;
                let (streams_responses, output) = parse_type(tokens)?;
                if tokens.is_symbol('{') {
                    tokens.skip_block()?;
                } else {
                    tokens.symbol(';')?;
                }
                service.methods.push(Method {
                    name,
                    input,
                    output,
                    streams_requests,
                    streams_responses,
                    // No command uses the options of methods.
                    ..Method::default()
                });
            }
            _ => return Err(tokens.expected("rpc")),
        }
    }
    Ok(service)
}

/// Parses the type of a request or of a response, and whether it is a stream.
fn parse_type(tokens: &mut Tokens<'_>) -> Result<(bool, String), Problem> {
    tokens.symbol('(')?;
    let is_stream = tokens.is_word("stream") && *tokens.peek_at(1) != Token::Symbol(')');
    if is_stream {
        tokens.take();
    }
    let name = tokens.full_name()?;
    tokens.symbol(')')?;
    Ok((is_stream, name))
}
