//! What a module or a block defines and imports, by name.

use std::collections::HashMap;

use syn::ext::IdentExt as _;
use syn::{Item, UseTree, Visibility};

/// Where a name lives. Rust keeps types, values and macros apart: a module and a function may have
/// the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space(u8);

impl Space {
    pub(crate) const TYPE: Self = Self(1);
    pub(crate) const VALUE: Self = Self(2);
    pub(crate) const MACRO: Self = Self(4);
    pub(crate) const ANY: Self = Self(7);

    pub(crate) fn shares(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// From where in the crate a name may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everywhere.
    Crate,
    /// In the module this many levels up and below it; 0 is the module itself.
    Ancestor(usize),
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// A module, by its number.
    Module(usize),
    /// An item that the file with this number defines.
    Item(usize),
    /// What this import leads to.
    Import(Import),
}

/// A path in a `use` declaration.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// Unique in the crate: a search that is already following this import does not follow it again.
    pub(crate) number: usize,
    pub(crate) path: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) space: Space,
    pub(crate) reach: Reach,
    pub(crate) meaning: Meaning,
}

/// The names of one module or one block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) by_name: HashMap<String, Vec<Name>>,
    pub(crate) globs: Vec<(Reach, Import)>,
    /// A macro call stands among the items: it may define names that are not known here.
    pub(crate) generated: bool,
}

impl Names {
    pub(crate) fn add(&mut self, name: String, space: Space, reach: Reach, meaning: Meaning) {
        self.by_name.entry(name).or_default().push(Name { space, reach, meaning });
    }

    /// Adds what `item` in the file `file` defines or imports. Modules are added by the caller.
    pub(crate) fn add_item(&mut self, item: &Item, file: usize, imports: &mut usize) {
        let (ident, space, visibility) = match item {
            Item::Const(item) => (&item.ident, Space::VALUE, &item.vis),
            Item::Enum(item) => (&item.ident, Space::TYPE, &item.vis),
            Item::Fn(item) => (&item.sig.ident, Space::VALUE, &item.vis),
            Item::Static(item) => (&item.ident, Space::VALUE, &item.vis),
            Item::Struct(item) => (&item.ident, Space::TYPE.and(Space::VALUE), &item.vis),
            Item::Trait(item) => (&item.ident, Space::TYPE, &item.vis),
            Item::TraitAlias(item) => (&item.ident, Space::TYPE, &item.vis),
            Item::Type(item) => (&item.ident, Space::TYPE, &item.vis),
            Item::Union(item) => (&item.ident, Space::TYPE, &item.vis),
            Item::Macro(item) => {
                if let Some(ident) = &item.ident {
                    let meaning = Meaning::Item(file);
                    self.add(ident.unraw().to_string(), Space::MACRO, Reach::Crate, meaning);
                } else {
                    self.generated = true;
                }
                return;
            }
            Item::Use(item) => {
                // A path that begins with `::` names another crate.
                if item.leading_colon.is_none() {
                    let reach = reach(&item.vis);
                    for leaf in leaves(&item.tree) {
                        *imports += 1;
                        let import = Import { number: *imports, path: leaf.path };
                        match leaf.name {
                            Some(name) => {
                                self.add(name, Space::ANY, reach, Meaning::Import(import));
                            }
                            None if leaf.glob => self.globs.push((reach, import)),
                            None => {}
                        }
                    }
                }
                return;
            }
            _ => return,
        };
        self.add(ident.unraw().to_string(), space, reach(visibility), Meaning::Item(file));
    }
}

pub(crate) fn reach(visibility: &Visibility) -> Reach {
    match visibility {
        Visibility::Public(_) => Reach::Crate,
        Visibility::Inherited => Reach::Ancestor(0),
        Visibility::Restricted(restricted) => {
            let path: Vec<String> = restricted
                .path
                .segments
                .iter()
                .map(|part| part.ident.unraw().to_string())
                .collect();
            match path.first().map(String::as_str) {
                Some("self") => Reach::Ancestor(0),
                Some("super") if path.iter().all(|part| part == "super") => {
                    Reach::Ancestor(path.len())
                }
                // `pub(in crate::a)` is taken for `pub(crate)`.
                _ => Reach::Crate,
            }
        }
    }
}

/// One path of a `use` tree.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    /// The name that it brings in; None for a glob and for `as _`.
    pub(crate) name: Option<String>,
    pub(crate) glob: bool,
    pub(crate) line: usize,
}

impl Leaf {
    /// As it would stand alone in a `use`.
    pub(crate) fn text(&self) -> String {
        self.path.join("::") + if self.glob { "::*" } else { "" }
    }
}

/// All paths of a `use` tree.
pub(crate) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut found = Vec::new();
    add_leaves(tree, &mut Vec::new(), &mut found);
    found
}

fn add_leaves(tree: &UseTree, prefix: &mut Vec<String>, found: &mut Vec<Leaf>) {
    let mut add = |ident: &syn::Ident, name: Option<String>| {
        let mut path = prefix.clone();
        // `a::{self}` means `a`.
        if ident != "self" || path.is_empty() {
            path.push(ident.unraw().to_string());
        }
        let line = ident.span().start().line;
        let name = name.or_else(|| path.last().cloned()).filter(|name| name != "_");
        found.push(Leaf { path, name, glob: false, line });
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.unraw().to_string());
            add_leaves(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) => add(&name.ident, None),
        UseTree::Rename(rename) => add(&rename.ident, Some(rename.rename.unraw().to_string())),
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans[0].start().line;
            found.push(Leaf { path: prefix.clone(), name: None, glob: true, line });
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                add_leaves(tree, prefix, found);
            }
        }
    }
}
