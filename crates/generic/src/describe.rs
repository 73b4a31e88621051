//! Declarations as the text of a `.proto` file.

use std::fmt::Write;

use protojson::{Enum, Field, Kind, Label, Message, Method, Pool, Service, Symbol};

/// The kind of a symbol, and its declaration.
#[derive(Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) kind: &'static str,
    pub(crate) proto: String,
}

/// Describes a service, a method, a message or an enum by its full name.
pub(crate) fn describe(pool: &Pool, name: &str) -> Option<Description> {
    let mut text = Text { pool, out: String::new() };
    let kind = match pool.symbol(name) {
        Some(Symbol::Message(index)) => {
            text.message(&pool.messages[index], 0);
            "message"
        }
        Some(Symbol::Enum(index)) => {
            text.enumeration(&pool.enums[index], 0);
            "enum"
        }
        Some(Symbol::Service(index)) => {
            text.service(&pool.services[index]);
            "service"
        }
        None => {
            let (service, method) = name.rsplit_once('.')?;
            text.method(pool.method(service, method).ok()?, 0);
            "method"
        }
    };
    // The printer adds the last line break.
    text.out.truncate(text.out.trim_end().len());
    Some(Description { kind, proto: text.out })
}

struct Text<'a> {
    pool: &'a Pool,
    out: String,
}

impl Text<'_> {
    fn line(&mut self, level: usize, text: &str) {
        let indent = 2 * level;
        writeln!(self.out, "{:indent$}{text}", "").expect("a String takes every text");
    }

    fn service(&mut self, service: &Service) {
        self.line(0, &format!("service {} {{", last_name(&service.name)));
        service.methods.iter().for_each(|method| self.method(method, 1));
        self.line(0, "}");
    }

    fn method(&mut self, method: &Method, level: usize) {
        let stream = |is_stream| if is_stream { "stream " } else { "" };
        let Method { name, input, output, streams_requests, streams_responses, .. } = method;
        let (requests, responses) = (stream(*streams_requests), stream(*streams_responses));
        let rpc = format!("rpc {name} ( {requests}.{input} ) returns ( {responses}.{output} );");
        self.line(level, &rpc);
    }

    fn message(&mut self, message: &Message, level: usize) {
        self.line(level, &format!("message {} {{", last_name(&message.name)));
        let mut oneof = None;
        for field in &message.fields {
            if field.oneof != oneof {
                if oneof.is_some() {
                    self.line(level + 1, "}");
                }
                if let Some(index) = field.oneof {
                    self.line(level + 1, &format!("oneof {} {{", message.oneofs[index]));
                }
                oneof = field.oneof;
            }
            let level = level + 1 + usize::from(oneof.is_some());
            self.line(level, &self.declaration(field));
        }
        if oneof.is_some() {
            self.line(level + 1, "}");
        }
        let pool = self.pool;
        for inner in pool.messages.iter().filter(|inner| is_within(&inner.name, &message.name)) {
            if !inner.is_map_entry {
                self.message(inner, level + 1);
            }
        }
        for inner in pool.enums.iter().filter(|inner| is_within(&inner.name, &message.name)) {
            self.enumeration(inner, level + 1);
        }
        self.line(level, "}");
    }

    fn declaration(&self, field: &Field) -> String {
        let Field { name, number, .. } = field;
        if let Kind::Message(index) = field.kind
            && let message = &self.pool.messages[index]
            && let ([key, value], true) = (&message.fields[..], message.is_map_entry)
        {
            let (key, value) = (type_of(key), type_of(value));
            return format!("map<{key}, {value}> {name} = {number};");
        }
        let label = match field.label {
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Singular if field.is_optional => "optional ",
            Label::Singular => "",
        };
        format!("{label}{} {name} = {number};", type_of(field))
    }

    fn enumeration(&mut self, declared: &Enum, level: usize) {
        self.line(level, &format!("enum {} {{", last_name(&declared.name)));
        for (name, number) in &declared.values {
            self.line(level + 1, &format!("{name} = {number};"));
        }
        self.line(level, "}");
    }
}

fn type_of(field: &Field) -> String {
    match field.kind {
        Kind::Message(_) | Kind::Enum(_) | Kind::Named => format!(".{}", field.type_name),
        Kind::Group => "group".to_owned(),
        kind => kind.name().to_owned(),
    }
}

fn last_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Returns whether a name is declared directly within another.
fn is_within(name: &str, outer: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(scope, _)| scope == outer)
}
