//! All files of a schema, with their names resolved.

use std::collections::BTreeMap;

use super::types::{Enum, File, Kind, Label, Message, Method, Service};
use crate::problem::{Problem, listed};

/// All files of a schema. It can be used once it is linked.
#[derive(Debug, Default)]
pub struct Pool {
    /// All message types, nested ones too.
    pub messages: Vec<Message>,
    /// All enum types, nested ones too.
    pub enums: Vec<Enum>,
    /// All services.
    pub services: Vec<Service>,
    symbols: Vec<Symbol>,
    /// The imports of each file.
    imports: Vec<Vec<String>>,
    // Both maps have the same type, because the code of another type takes 4 KB.
    symbol_names: BTreeMap<String, usize>,
    file_names: BTreeMap<String, usize>,
}

/// The declaration that a full name stands for, with its index in the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Symbol {
    /// A message type.
    Message(usize),
    /// An enum type.
    Enum(usize),
    /// A service.
    Service(usize),
}

impl Pool {
    /// Adds the declarations of a file, unless a file of this name is there.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is declared twice.
    pub fn add(&mut self, file: File) -> Result<(), Problem> {
        let File { name, imports, messages, enums, services } = file;
        if self.has_file(&name) {
            return Ok(());
        }
        self.file_names.insert(name, self.imports.len());
        self.imports.push(imports);
        for message in messages {
            self.define(&message.name, Symbol::Message(self.messages.len()))?;
            self.messages.push(message);
        }
        for declared in enums {
            self.define(&declared.name, Symbol::Enum(self.enums.len()))?;
            self.enums.push(declared);
        }
        for service in services {
            self.define(&service.name, Symbol::Service(self.services.len()))?;
            self.services.push(service);
        }
        Ok(())
    }

    fn define(&mut self, name: &str, symbol: Symbol) -> Result<(), Problem> {
        let known = self.symbol_names.insert(name.to_owned(), self.symbols.len());
        self.symbols.push(symbol);
        match known {
            None => Ok(()),
            Some(_) => Err(Problem::new(format!("{name} is declared twice"))),
        }
    }

    /// Returns whether a file of this name was added.
    pub fn has_file(&self, name: &str) -> bool {
        self.file_names.contains_key(name)
    }

    /// Returns the number of files that were added.
    pub fn file_count(&self) -> usize {
        self.imports.len()
    }

    /// Returns the imports of all files that were not added.
    pub fn missing(&self) -> Vec<String> {
        let imports = self.imports.iter().flatten();
        let mut missing: Vec<String> =
            imports.filter(|import| !self.has_file(import)).cloned().collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Returns the name of a file that imports this one.
    pub fn importer(&self, import: &str) -> &str {
        let imports = |index: usize| self.imports[index].iter().any(|name| name == import);
        let found = self.file_names.iter().find(|(_, index)| imports(**index));
        found.map_or("", |(name, _)| name)
    }

    /// Resolves the names of types.
    ///
    /// # Errors
    ///
    /// Returns an error if a type is not declared, or is of a kind that cannot be used there.
    pub fn link(&mut self) -> Result<(), Problem> {
        let mut messages = std::mem::take(&mut self.messages);
        for message in &mut messages {
            for field in &mut message.fields {
                if matches!(field.kind, Kind::Named) {
                    let (name, symbol) = self.resolve(&field.type_name, &message.name)?;
                    field.kind = match symbol {
                        Symbol::Message(index) => Kind::Message(index),
                        Symbol::Enum(index) => Kind::Enum(index),
                        Symbol::Service(_) => return Err(not_a_type(&field.type_name)),
                    };
                    field.type_name = name;
                    // Messages are never packed, and always have presence.
                    field.is_packed &= field.kind.can_be_packed();
                    field.has_presence |=
                        matches!(symbol, Symbol::Message(_)) && field.label != Label::Repeated;
                } else {
                    field.is_packed &= field.kind.can_be_packed();
                }
            }
        }
        for message in messages.iter().filter(|message| message.is_map_entry) {
            // In JSON, a key is the name of a member, so that not every type can be a key.
            let is_entry = matches!(&message.fields[..], [key, value]
                if (key.number, value.number) == (1, 2)
                    && key.kind.can_be_map_key()
                    && key.label != Label::Repeated
                    && value.label != Label::Repeated);
            if !is_entry {
                return Err(Problem::new(format!("{} is not the entry of a map", message.name)));
            }
        }
        self.messages = messages;
        let mut services = std::mem::take(&mut self.services);
        for service in &mut services {
            for method in &mut service.methods {
                for name in [&mut method.input, &mut method.output] {
                    let (resolved, symbol) = self.resolve(name, &service.name)?;
                    if !matches!(symbol, Symbol::Message(_)) {
                        return Err(not_a_type(name));
                    }
                    *name = resolved;
                }
            }
        }
        self.services = services;
        Ok(())
    }

    /// Finds the type that a name means within a scope.
    fn resolve(&self, name: &str, scope: &str) -> Result<(String, Symbol), Problem> {
        if let Some(full) = name.strip_prefix('.') {
            let symbol = self.symbol(full).ok_or_else(|| not_declared(full, scope))?;
            return Ok((full.to_owned(), symbol));
        }
        let mut scope_left = Some(scope);
        while let Some(scope) = scope_left {
            let full = format!("{scope}.{name}");
            if let Some(symbol) = self.symbol(&full) {
                return Ok((full, symbol));
            }
            scope_left = scope.rsplit_once('.').map(|(outer, _)| outer);
        }
        let symbol = self.symbol(name).ok_or_else(|| not_declared(name, scope))?;
        Ok((name.to_owned(), symbol))
    }

    /// Returns the declaration of this full name.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbol_names.get(name).map(|index| self.symbols[*index])
    }

    /// Returns the message of this full name.
    pub fn message(&self, name: &str) -> Option<usize> {
        match self.symbol(name) {
            Some(Symbol::Message(index)) => Some(index),
            _ => None,
        }
    }

    /// Returns the method of a service.
    ///
    /// # Errors
    ///
    /// Returns an error that lists the known names if there is no such service or method.
    pub fn method(&self, service: &str, method: &str) -> Result<&Method, Problem> {
        let Some(Symbol::Service(index)) = self.symbol(service) else {
            let names = listed(self.services.iter().map(|service| &service.name));
            return Err(Problem::new(format!("there is no service {service}; there is {names}")));
        };
        let methods = &self.services[index].methods;
        methods.iter().find(|found| found.name == method).ok_or_else(|| {
            let names = listed(methods.iter().map(|method| &method.name));
            Problem::new(format!("{service} has no method {method}; it has {names}"))
        })
    }
}

fn not_declared(name: &str, scope: &str) -> Problem {
    Problem::new(format!("the type {name:?}, which {scope} uses, is not declared"))
}

fn not_a_type(name: &str) -> Problem {
    Problem::new(format!("{name:?} is not a type that can be used there"))
}
