//! Parses messages.

use protojson::{Field, File, Kind, Label, Message, Problem, json_name, wire_format::MAX_FIELD};

use super::{
    enums::{Scope, parse_enum},
    lexer::Token,
    tokens::{DeclaredOption, Tokens},
};

/// Parses the body of a message after its name, which the caller has taken.
pub(super) fn parse_message(
    tokens: &mut Tokens<'_>,
    outer: &Scope,
    name: String,
    file: &mut File,
) -> Result<(), Problem> {
    // The message comes before the messages within it.
    let index = file.messages.len();
    file.messages.push(Message { name: name.clone(), ..Message::default() });
    let scope = Scope { name, features: outer.features };
    let mut body = Body { tokens, scope, fields: Vec::new(), oneofs: Vec::new(), file };
    if body.scope.name.matches('.').count() > MAX_NESTING {
        return Err(body.tokens.problem("messages are nested too deep"));
    }
    body.tokens.symbol('{')?;
    while !body.tokens.accept('}') {
        body.statement()?;
    }
    let Body { fields, oneofs, .. } = body;
    file.messages[index].fields = fields;
    file.messages[index].oneofs = oneofs;
    Ok(())
}

/// How deep messages may be nested.
const MAX_NESTING: usize = 100;

struct Body<'a, 'b> {
    tokens: &'b mut Tokens<'a>,
    scope: Scope,
    fields: Vec<Field>,
    oneofs: Vec<String>,
    file: &'b mut File,
}

impl Body<'_, '_> {
    fn statement(&mut self) -> Result<(), Problem> {
        if let (Token::Word("export" | "local"), Token::Word("message" | "enum")) =
            (self.tokens.peek(), self.tokens.peek_at(1))
        {
            self.tokens.take();
        }
        // As in protoc, a keyword is not the name of a type.
        match self.tokens.peek() {
            Token::Symbol(';') => drop(self.tokens.take()),
            Token::Word("message") => {
                self.tokens.take();
                let name = self.scope.full_name(self.tokens.name()?);
                parse_message(self.tokens, &self.scope, name, self.file)?;
            }
            Token::Word("enum") => parse_enum(self.tokens, &self.scope, self.file)?,
            Token::Word("oneof") => self.oneof()?,
            Token::Word("option") => {
                self.tokens.take();
                let option = self.tokens.option()?;
                self.scope.features = self.scope.features.with_declared(&option);
                self.tokens.symbol(';')?;
            }
            Token::Word("extend") => {
                self.tokens.take();
                self.tokens.full_name()?;
                self.tokens.skip_block()?;
            }
            Token::Word("extensions" | "reserved") => self.tokens.skip_statement()?,
            Token::Word("map") if *self.tokens.peek_at(1) == Token::Symbol('<') => self.map()?,
            _ => self.field(None)?,
        }
        Ok(())
    }

    fn oneof(&mut self) -> Result<(), Problem> {
        self.tokens.take();
        let index = self.oneofs.len();
        self.oneofs.push(self.tokens.name()?.to_owned());
        self.tokens.symbol('{')?;
        while !self.tokens.accept('}') {
            match self.tokens.peek() {
                Token::Symbol(';') => drop(self.tokens.take()),
                Token::Word("option") => self.tokens.skip_statement()?,
                _ => self.field(Some(index))?,
            }
        }
        Ok(())
    }

    fn field(&mut self, oneof: Option<usize>) -> Result<(), Problem> {
        let mut label = Label::Singular;
        let mut is_optional = false;
        if let (Token::Word(word), Token::Word(_) | Token::Symbol('.')) =
            (self.tokens.peek(), self.tokens.peek_at(1))
        {
            let word = *word;
            match word {
                "repeated" => label = Label::Repeated,
                "required" => label = Label::Required,
                "optional" => is_optional = !self.scope.features.has_presence,
                _ => {}
            }
            if matches!(word, "repeated" | "required" | "optional") {
                self.tokens.take();
            }
        }
        if self.tokens.is_word("group") && *self.tokens.peek_at(2) == Token::Symbol('=') {
            return self.group(label, oneof);
        }
        let type_name = self.tokens.full_name()?;
        let name = self.tokens.name()?.to_owned();
        let number = self.number()?;
        let options = self.tokens.bracketed_options()?;
        self.tokens.symbol(';')?;
        self.push(&name, number, label, Kind::named(&type_name), type_name, &options);
        let field = self.fields.last_mut().expect("it was pushed");
        field.oneof = oneof;
        field.is_optional = is_optional;
        self.apply(&options);
        Ok(())
    }

    fn number(&mut self) -> Result<u32, Problem> {
        self.tokens.symbol('=')?;
        let wrong = self.tokens.problem("the number of a field is from 1 to 536870911");
        let number = u32::try_from(self.tokens.integer()?).ok();
        number.filter(|number| (1..=MAX_FIELD).contains(number)).ok_or(wrong)
    }

    fn push(
        &mut self,
        name: &str,
        number: u32,
        label: Label,
        kind: Kind,
        type_name: String,
        options: &[DeclaredOption],
    ) {
        let declared = options.iter().find(|(name, _)| name == "json_name");
        let json_name = declared.map_or_else(|| json_name(name), |(_, value)| value.clone());
        let type_name =
            if kind == Kind::Named || kind == Kind::Group { type_name } else { String::new() };
        self.fields.push(Field {
            name: name.to_owned(),
            json_name,
            number,
            label,
            kind,
            type_name,
            oneof: None,
            has_presence: false,
            is_optional: false,
            is_packed: false,
        });
    }

    /// Applies the options of the last field.
    fn apply(&mut self, options: &[DeclaredOption]) {
        let declared = |name: &str| options.iter().find(|(option, _)| option == name);
        let packed = declared("packed").map(|(_, value)| value == "true");
        let mut features = self.scope.features;
        options.iter().for_each(|option| features = features.with_declared(option));
        features.apply(self.fields.last_mut().expect("the caller has pushed it"), packed);
    }

    /// Parses a group: a field and its message in one.
    fn group(&mut self, label: Label, oneof: Option<usize>) -> Result<(), Problem> {
        self.tokens.take();
        let name = self.tokens.name()?;
        let number = self.number()?;
        let options = self.tokens.bracketed_options()?;
        let full_name = self.scope.full_name(name);
        let type_name = format!(".{full_name}");
        self.push(&name.to_ascii_lowercase(), number, label, Kind::Group, type_name, &options);
        self.fields.last_mut().expect("it was pushed").oneof = oneof;
        self.apply(&options);
        parse_message(self.tokens, &self.scope, full_name, self.file)
    }

    /// Parses a map: a repeated field and the message of its entries.
    fn map(&mut self) -> Result<(), Problem> {
        self.tokens.take();
        self.tokens.symbol('<')?;
        let key = self.tokens.full_name()?;
        self.tokens.symbol(',')?;
        let value = self.tokens.full_name()?;
        self.tokens.symbol('>')?;
        let name = self.tokens.name()?.to_owned();
        let number = self.number()?;
        let options = self.tokens.bracketed_options()?;
        self.tokens.symbol(';')?;

        let entry = self.scope.full_name(&entry_name(&name));
        let fields = std::mem::take(&mut self.fields);
        for (name, number, type_name) in [("key", 1, key), ("value", 2, value)] {
            self.push(name, number, Label::Singular, Kind::named(&type_name), type_name, &[]);
            self.apply(&[]);
        }
        let fields = std::mem::replace(&mut self.fields, fields);
        let entry_message =
            Message { name: entry.clone(), fields, oneofs: Vec::new(), is_map_entry: true };
        self.file.messages.push(entry_message);
        self.push(&name, number, Label::Repeated, Kind::Named, format!(".{entry}"), &options);
        self.apply(&options);
        Ok(())
    }
}

/// Returns the name of the message of a map's entries, as protoc makes it.
fn entry_name(field: &str) -> String {
    // An underscore at the beginning makes the first letter a capital too.
    format!("{}Entry", json_name(&format!("_{field}")))
}
