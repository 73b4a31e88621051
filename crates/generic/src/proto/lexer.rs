//! The tokens of a `.proto` file.

use protojson::Problem;

/// A token of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    Number(&'a str),
    /// The content of a string.
    Text(String),
    Symbol(char),
    End,
}

/// Returns the tokens of a file, each with the position at which it begins.
///
/// # Errors
///
/// Returns an error with the position of a text that is not a token.
pub(super) fn tokens<'a>(file: &str, text: &'a str) -> Result<Vec<(Token<'a>, Position)>, Problem> {
    let mut lexer = Lexer { rest: text, position: Position { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        let next = lexer.skip().and_then(|()| {
            let position = lexer.position;
            lexer.token().map(|token| (token, position))
        });
        let next = next.map_err(|text| lexer.position.problem(file, text))?;
        let is_end = next.0 == Token::End;
        tokens.push(next);
        if is_end {
            return Ok(tokens);
        }
    }
}

/// A line and a column of a file, both from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    pub(super) fn problem(self, file: &str, text: &str) -> Problem {
        let Self { line, column } = self;
        Problem::new(format!("{file}:{line}:{column}: {text}"))
    }
}

struct Lexer<'a> {
    rest: &'a str,
    position: Position,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        for c in taken.chars() {
            if c == '\n' {
                self.position.line += 1;
                self.position.column = 1;
            } else {
                self.position.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    /// Skips blanks and comments.
    fn skip(&mut self) -> Result<(), &'static str> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start_matches(is_blank).len();
            if blanks > 0 {
                self.take(blanks);
            } else if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self.rest[2..].find("*/").ok_or("the comment does not end")?;
                self.take(end + 4);
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token<'a>, &'static str> {
        let is_in_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
        match self.rest.chars().next() {
            None => Ok(Token::End),
            Some('"' | '\'') => self.string().map(Token::Text),
            Some('0'..='9') => {
                let mut last = ' ';
                let end = self.rest.find(|c| {
                    let is_exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
                    last = c;
                    !(is_in_word(c) || c == '.' || is_exponent)
                });
                Ok(Token::Number(self.take(end.unwrap_or(self.rest.len()))))
            }
            Some(c) if is_in_word(c) => {
                let end = self.rest.find(|c| !is_in_word(c));
                Ok(Token::Word(self.take(end.unwrap_or(self.rest.len()))))
            }
            Some(c) if c.is_ascii_punctuation() => {
                self.take(1);
                Ok(Token::Symbol(c))
            }
            Some(_) => Err("this character is not allowed here"),
        }
    }

    /// Reads a string. Escapes are not decoded, because strings with escapes are not used.
    fn string(&mut self) -> Result<String, &'static str> {
        let quote = self.rest.chars().next();
        // The first character is the opening quote, which does not end the string.
        let mut is_escaped = true;
        let end = self.rest.find(|c| {
            let is_end = !is_escaped && (Some(c) == quote || c == '\n');
            is_escaped = !is_escaped && c == '\\';
            is_end
        });
        let end = end.filter(|end| !self.rest[*end..].starts_with('\n'));
        let text = self.take(end.ok_or("the string does not end in its line")? + 1);
        Ok(text[1..text.len() - 1].to_owned())
    }
}

fn is_blank(c: char) -> bool {
    // A byte order mark can stand at the beginning.
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0b' | '\x0c' | '\u{feff}')
}
