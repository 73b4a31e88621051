//! The rules for which crate and which module may use which.
//!
//! The graph of modules is read from the sources: every path that starts with `crate` or
//! `super`, in `use` declarations, code and macros. Code that is compiled only for tests is
//! left out. A name that a `mod.rs` re-exports belongs to the module that defines it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    slice::from_ref,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree};

/// The path of a module in its crate, without `crate`.
type ModulePath = Vec<String>;

/// The crates of the workspace that each crate may depend on. Any other crate is a service.
const ARROWS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("chassis-build", &[]),
    ("channel", &["wire"]),
    ("protojson", &["wire"]),
    ("generic", &["channel", "protojson", "wire"]),
    ("load", &["channel", "generic", "wire"]),
    ("http2", &["wire"]),
    ("http2-judge", &["http2"]),
    ("chassis", &["http2", "protojson", "wire"]),
    ("baseline", &[]),
];
const SERVICE_ARROWS: &[&str] = &["chassis", "channel", "generic", "load", "wire"];

#[test]
fn modules_have_no_cycles() {
    check(|krate| krate.cycles());
}

#[test]
fn no_module_imports_an_item_of_the_module_above_it() {
    check(|krate| krate.imports_from_above());
}

#[test]
fn the_h2_crate_is_used_in_one_module_of_the_server() {
    for (folder, allowed) in [("crates/chassis", None), ("crates/http2", Some("h2"))] {
        let krate = Crate::read(&root().join(folder));
        let is_allowed =
            |path: &ModulePath| allowed.is_some() && path.first().map(String::as_str) == allowed;
        let users: Vec<_> = krate
            .modules
            .iter()
            .filter(|(path, module)| module.uses_h2 && !is_allowed(path))
            .map(|(path, _)| show(path))
            .collect();
        assert!(users.is_empty(), "h2 is used in {users:?}");
    }
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let manifests = members().into_iter().map(|folder| read_manifest(&folder));
    let manifests: BTreeMap<String, toml::Table> = manifests.collect();
    let mut wrong = Vec::new();
    for (name, manifest) in &manifests {
        let allowed = ARROWS.iter().find(|(crate_name, _)| crate_name == name);
        let allowed = allowed.map_or(SERVICE_ARROWS, |(_, allowed)| allowed);
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(toml::Table::keys) {
            if manifests.contains_key(dependency) && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} -> {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed: {wrong:?}");
}

/// Applies a rule to every crate of the workspace, and shows all violations at once.
fn check(rule: impl Fn(&Crate) -> Vec<String>) {
    let violations: Vec<_> = members()
        .iter()
        .flat_map(|folder| {
            let krate = Crate::read(folder);
            rule(&krate).into_iter().map(move |violation| format!("{}: {violation}", krate.name))
        })
        .collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the crates of the workspace.
fn members() -> Vec<PathBuf> {
    let mut folders = vec![root()];
    for parent in ["crates", "examples"] {
        let entries = fs::read_dir(root().join(parent)).into_iter().flatten();
        let children = entries.map(|entry| entry.expect("a folder can be listed").path());
        folders.extend(children.filter(|folder| folder.join("Cargo.toml").exists()));
    }
    folders.sort();
    folders
}

fn read_manifest(folder: &Path) -> (String, toml::Table) {
    let text = fs::read_to_string(folder.join("Cargo.toml")).expect("a crate has a manifest");
    let manifest: toml::Table = text.parse().expect("the manifest is TOML");
    let name = manifest["package"]["name"].as_str().expect("the package has a name");
    (name.to_owned(), manifest)
}

fn show(path: &[String]) -> String {
    if path.is_empty() { "the crate root".to_owned() } else { path.join("::") }
}

/// The modules of a crate, by their paths.
struct Crate {
    name: String,
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// The paths that the module's code names, from the crate root.
    names: BTreeSet<ModulePath>,
    /// The names that `use` declarations give in this module, and the path of each.
    imported: BTreeMap<String, ModulePath>,
    uses_h2: bool,
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let (name, _) = read_manifest(folder);
        let mut krate = Self { name, modules: BTreeMap::new() };
        for file in ["lib.rs", "main.rs"] {
            let file = folder.join("src").join(file);
            if file.exists() {
                krate.read_file(&file, &folder.join("src"), &[]);
            }
        }
        krate
    }

    /// Reads a file and the files of its modules, which are in `folder`.
    fn read_file(&mut self, file: &Path, folder: &Path, path: &[String]) {
        let text = fs::read_to_string(file).expect("a module has a file");
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        self.read_items(parsed.items, folder, path);
    }

    fn read_items(&mut self, items: Vec<Item>, folder: &Path, path: &[String]) {
        self.modules.entry(path.to_vec()).or_default();
        for item in items {
            if is_for_tests(&item) {
                continue;
            }
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let (path, folder) = ([path, from_ref(&name)].concat(), folder.join(&name));
                if let Some((_, items)) = module.content {
                    self.read_items(items, &folder, &path);
                } else {
                    let file = folder.with_extension("rs");
                    let file = if file.exists() { file } else { folder.join("mod.rs") };
                    self.read_file(&file, &folder, &path);
                }
                continue;
            }
            let module = self.modules.get_mut(path).expect("it was added");
            if let Item::Use(item) = &item {
                import(&item.tree, path, &[], &mut module.imported);
            }
            module.read_tokens(item.into_token_stream(), path);
        }
    }

    /// Returns the module that defines what the path names: the path of the longest prefix
    /// that is a module, after re-exports.
    fn module_of(&self, name: &[String]) -> ModulePath {
        let mut length = name.len();
        while !self.modules.contains_key(&name[..length]) {
            length -= 1;
        }
        let module = &self.modules[&name[..length]];
        match name.get(length).and_then(|item| module.imported.get(item)) {
            // The name of another crate stands for itself.
            Some(origin) if origin != name => self.module_of(origin),
            _ => name[..length].to_vec(),
        }
    }

    /// Returns pairs of modules. The first of a pair uses the second.
    fn uses(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        self.modules
            .iter()
            .flat_map(|(path, module)| {
                module.names.iter().map(|name| (path.clone(), self.module_of(name)))
            })
            .filter(|(user, used)| user != used)
            .collect()
    }

    fn imports_from_above(&self) -> Vec<String> {
        self.uses()
            .into_iter()
            .filter(|(user, used)| user.starts_with(used))
            .map(|(user, used)| format!("{} imports from {}", show(&user), show(&used)))
            .collect()
    }

    /// Returns the cycles between the modules of each folder. A module stands for all below it.
    fn cycles(&self) -> Vec<String> {
        let uses = self.uses();
        let mut found = Vec::new();
        for folder in self.modules.keys() {
            let mut edges: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
            for (user, used) in &uses {
                let (Some(from), Some(to)) = (below(folder, user), below(folder, used)) else {
                    continue;
                };
                if from != to {
                    let example = format!("{} -> {}", show(user), show(used));
                    edges.entry(from).or_default().insert(to, example);
                }
            }
            for cycle in circles(&edges) {
                let examples: Vec<_> = cycle
                    .iter()
                    .flat_map(|from| {
                        let targets = edges[from].iter();
                        targets.filter(|(to, _)| cycle.contains(*to)).map(|(_, example)| example)
                    })
                    .cloned()
                    .collect();
                let members: Vec<_> = cycle.into_iter().collect();
                found.push(format!(
                    "in {}: a cycle of {}: {}",
                    show(folder),
                    members.join(", "),
                    examples.join(", ")
                ));
            }
        }
        found
    }
}

impl Module {
    /// Adds the paths in the code of the module `path`.
    fn read_tokens(&mut self, tokens: TokenStream, path: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut index = 0;
        while index < tokens.len() {
            match &tokens[index] {
                TokenTree::Group(group) => self.read_tokens(group.stream(), path),
                // After `::`, it is a later part of a path, and begins none.
                TokenTree::Ident(ident) if !is_path_separator(&tokens, index.wrapping_sub(2)) => {
                    match ident.to_string().as_str() {
                        // No path follows, as in `pub(crate)`.
                        "crate" | "super" if !is_path_separator(&tokens, index + 1) => {}
                        "crate" => self.read_path(&tokens, index + 1, Vec::new()),
                        "super" => self.read_path(&tokens, index + 1, parent(path)),
                        "h2" if is_path_separator(&tokens, index + 1) => self.uses_h2 = true,
                        _ => {}
                    }
                }
                _ => {}
            }
            index += 1;
        }
    }

    /// Adds the paths that begin with `start` and continue at `index`.
    fn read_path(&mut self, tokens: &[TokenTree], mut index: usize, start: ModulePath) {
        let mut path = start;
        while is_path_separator(tokens, index) {
            match tokens.get(index + 2) {
                Some(TokenTree::Ident(ident)) if ident == "super" => path = parent(&path),
                Some(TokenTree::Ident(ident)) if ident == "self" => {}
                Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
                    for branch in tokens.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.read_branch(branch, &path);
                    }
                    return;
                }
                _ => break,
            }
            index += 3;
        }
        self.names.insert(path);
    }

    /// Adds the paths of one branch of `{a, b::c}`.
    fn read_branch(&mut self, branch: &[TokenTree], start: &[String]) {
        let mut start = start.to_vec();
        match &branch[0] {
            TokenTree::Ident(ident) if ident == "super" => start = parent(&start),
            TokenTree::Ident(ident) if ident != "self" => start.push(ident.to_string()),
            _ => {}
        }
        self.read_path(branch, 1, start);
    }
}

fn is_path_separator(tokens: &[TokenTree], index: usize) -> bool {
    let is_colon =
        |index: usize| matches!(tokens.get(index), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    is_colon(index) && is_colon(index.wrapping_add(1))
}

fn parent(path: &[String]) -> ModulePath {
    path[..path.len().saturating_sub(1)].to_vec()
}

/// Adds the names that a `use` declaration gives in the module `module`: private ones too,
/// because modules below see them through `super`.
fn import(
    tree: &UseTree,
    module: &[String],
    before: &[String],
    imported: &mut BTreeMap<String, ModulePath>,
) {
    match tree {
        UseTree::Path(part) => {
            let before = [before, &[part.ident.to_string()]].concat();
            import(&part.tree, module, &before, imported);
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                import(tree, module, before, imported);
            }
        }
        UseTree::Name(name) => {
            let item = name.ident.to_string();
            if item == "self" {
                return;
            }
            if let Some(origin) = absolute(module, &[before, from_ref(&item)].concat()) {
                imported.insert(item, origin);
            }
        }
        UseTree::Rename(name) => {
            let path = [before, &[name.ident.to_string()]].concat();
            if let Some(origin) = absolute(module, &path) {
                imported.insert(name.rename.to_string(), origin);
            }
        }
        UseTree::Glob(_) => {}
    }
}

/// Returns the path from the crate root. A path that starts with the name of a module is
/// relative; one that starts with the name of another crate leads to no module, and stays.
fn absolute(module: &[String], path: &[String]) -> Option<ModulePath> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let above = path.iter().take_while(|part| *part == "super").count();
            let module = &module[..module.len().checked_sub(above)?];
            Some([module, &path[above..]].concat())
        }
        _ => Some([module, path].concat()),
    }
}

/// Returns the name of the module directly below `folder` that is `path` or contains it.
fn below<'a>(folder: &[String], path: &'a [String]) -> Option<&'a str> {
    path.strip_prefix(folder)?.first().map(String::as_str)
}

/// Returns the sets of nodes that all reach each other.
fn circles<'a>(edges: &BTreeMap<&'a str, BTreeMap<&'a str, String>>) -> Vec<BTreeSet<&'a str>> {
    let reached = |start: &'a str| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![start]);
        while let Some(node) = left.pop() {
            let targets = edges.get(node).into_iter().flat_map(BTreeMap::keys);
            left.extend(targets.filter(|target| seen.insert(**target)));
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|node| (*node, reached(node))).collect();
    let mut found = BTreeSet::new();
    for (node, targets) in &reach {
        if targets.contains(node) {
            let back = |other: &&&str| reach.get(**other).is_some_and(|from| from.contains(node));
            found.insert(targets.iter().filter(back).copied().collect::<BTreeSet<_>>());
        }
    }
    found.into_iter().collect()
}

/// Returns whether the item has `#[cfg(test)]` or `#[test]`.
fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string().replace(' ', "");
        text == "#[cfg(test)]" || text == "#[test]"
    })
}
