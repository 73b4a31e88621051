//! Takes the tokens of a file, one after the other.

use protojson::Problem;

use super::lexer::{Position, Token, tokens};

/// The tokens of a file, and the position of the next one.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    file: &'a str,
    all: Vec<(Token<'a>, Position)>,
    next: usize,
}

/// An option: its name, and its value if that is one token.
pub(super) type DeclaredOption = (String, String);

impl<'a> Tokens<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Result<Self, Problem> {
        Ok(Self { file, all: tokens(file, text)?, next: 0 })
    }

    /// Returns the token after `ahead` others without taking it, or the end of the file.
    pub(super) fn peek_at(&self, ahead: usize) -> &Token<'a> {
        let last = self.all.len() - 1;
        &self.all[(self.next + ahead).min(last)].0
    }

    pub(super) fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    pub(super) fn take(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        // Stays at the end of the file.
        self.next = (self.next + 1).min(self.all.len() - 1);
        token
    }

    /// Returns an error at the next token.
    pub(super) fn problem(&self, text: &str) -> Problem {
        self.all[self.next].1.problem(self.file, text)
    }

    pub(super) fn expected(&self, what: &str) -> Problem {
        let found = match self.peek() {
            Token::Word(text) | Token::Number(text) => format!("{text:?}"),
            Token::Text(_) => "a string".to_owned(),
            Token::Symbol(symbol) => format!("{:?}", symbol.to_string()),
            Token::End => "the end of the file".to_owned(),
        };
        self.problem(&format!("expected {what}, and found {found}"))
    }

    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        *self.peek() == Token::Symbol(symbol)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        *self.peek() == Token::Word(word)
    }

    /// Takes a symbol if it is the next token.
    pub(super) fn accept(&mut self, symbol: char) -> bool {
        let is_next = self.is_symbol(symbol);
        if is_next {
            self.take();
        }
        is_next
    }

    /// Takes a keyword if it is the next token.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let is_next = self.is_word(word);
        if is_next {
            self.take();
        }
        is_next
    }

    pub(super) fn symbol(&mut self, symbol: char) -> Result<(), Problem> {
        if self.accept(symbol) { Ok(()) } else { Err(self.expected(&format!("{symbol:?}"))) }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Problem> {
        if self.accept_word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    pub(super) fn name(&mut self) -> Result<&'a str, Problem> {
        let Token::Word(name) = *self.peek() else { return Err(self.expected("a name")) };
        self.take();
        Ok(name)
    }

    pub(super) fn text(&mut self) -> Result<String, Problem> {
        let mut text = match self.peek() {
            Token::Text(text) => text.clone(),
            _ => return Err(self.expected("a string")),
        };
        self.take();
        while let Token::Text(more) = self.peek() {
            text += more;
            self.take();
        }
        Ok(text)
    }

    /// Takes an integer, which may be negative.
    pub(super) fn integer(&mut self) -> Result<i64, Problem> {
        let is_negative = self.accept('-');
        let Token::Number(text) = *self.peek() else { return Err(self.expected("a number")) };
        let number = if let Some(digits) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            i64::from_str_radix(digits, 16)
        } else if text.len() > 1 && text.starts_with('0') {
            i64::from_str_radix(text, 8)
        } else {
            text.parse()
        };
        let number = number.map_err(|_| self.expected("an integer"))?;
        self.take();
        Ok(if is_negative { -number } else { number })
    }

    /// Takes a name with dots.
    pub(super) fn full_name(&mut self) -> Result<String, Problem> {
        let mut name = String::new();
        if self.accept('.') {
            name.push('.');
        }
        loop {
            name += self.name()?;
            if !self.accept('.') {
                return Ok(name);
            }
            name.push('.');
        }
    }

    /// Takes the name and the value of an option.
    pub(super) fn option(&mut self) -> Result<DeclaredOption, Problem> {
        let mut name = String::new();
        loop {
            if self.accept('(') {
                name += &format!("({})", self.full_name()?);
                self.symbol(')')?;
            } else {
                name += self.name()?;
            }
            if !self.accept('.') {
                break;
            }
            name.push('.');
        }
        self.symbol('=')?;
        if self.is_symbol('{') {
            self.skip_block()?;
            return Ok((name, String::new()));
        }
        let _ = self.accept('-') || self.accept('+');
        let value = match self.peek() {
            Token::Text(_) => self.text()?,
            Token::Word(text) | Token::Number(text) => {
                let text = (*text).to_owned();
                self.take();
                text
            }
            Token::Symbol(_) | Token::End => return Err(self.expected("a value")),
        };
        Ok((name, value))
    }

    /// Takes the options in brackets, if there are any.
    pub(super) fn bracketed_options(&mut self) -> Result<Vec<DeclaredOption>, Problem> {
        let mut options = Vec::new();
        if self.accept('[') {
            loop {
                options.push(self.option()?);
                if !self.accept(',') {
                    break;
                }
            }
            self.symbol(']')?;
        }
        Ok(options)
    }

    /// Skips a block in braces.
    pub(super) fn skip_block(&mut self) -> Result<(), Problem> {
        self.symbol('{')?;
        let mut open = 1;
        while open > 0 {
            match self.take() {
                Token::Symbol('{') => open += 1,
                Token::Symbol('}') => open -= 1,
                Token::End => return Err(self.expected("\"}\"")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Skips a statement up to its semicolon.
    pub(super) fn skip_statement(&mut self) -> Result<(), Problem> {
        loop {
            match self.peek() {
                Token::Symbol('{') => self.skip_block()?,
                Token::Symbol(';') => {
                    self.take();
                    return Ok(());
                }
                Token::End | Token::Symbol('}') => return Err(self.expected("\";\"")),
                _ => drop(self.take()),
            }
        }
    }
}
