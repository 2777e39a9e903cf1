//! The modules of a crate, and the file that holds each.

use std::collections::BTreeSet;

use syn::ext::IdentExt as _;
use syn::{Attribute, Item, ItemMod, Meta};

use crate::names::{Meaning, Names, Reach, Space, reach};
use crate::sources::{Sources, folder_of, join};

/// A module with its items, those under `cfg(test)` left out.
pub(crate) struct Module {
    pub(crate) parent: Option<usize>,
    /// The number of its file; an inline module has that of the module around it.
    pub(crate) file: usize,
    pub(crate) names: Names,
    pub(crate) items: Vec<Item>,
    /// `#[macro_use]`: the modules after it see its macros.
    pub(crate) macro_use: bool,
}

/// All modules that belong to one root file.
#[derive(Default)]
pub(crate) struct Tree {
    /// The first is the root.
    pub(crate) modules: Vec<Module>,
    pub(crate) files: Vec<String>,
    /// Files that only tests use.
    pub(crate) test_files: BTreeSet<String>,
    imports: usize,
}

/// The file of a module, and the folder of its child modules.
#[derive(Clone)]
struct Home {
    file: String,
    children: String,
    inline: bool,
}

impl Home {
    fn of_file(file: &str, owns_folder: bool) -> Self {
        let children = if owns_folder {
            folder_of(file).to_owned()
        } else {
            file.trim_end_matches(".rs").to_owned()
        };
        Self { file: file.to_owned(), children, inline: false }
    }
}

impl Tree {
    /// Reads the crate whose root is the file `root`.
    ///
    /// # Errors
    /// A file does not exist or does not parse.
    pub(crate) fn read(sources: &Sources, root: &str) -> Result<Self, String> {
        let mut tree = Self::default();
        let items = tree.parse(sources, root)?;
        let file = tree.add_file(root);
        tree.add(sources, None, file, items, &Home::of_file(root, true), false)?;
        Ok(tree)
    }

    fn add_file(&mut self, path: &str) -> usize {
        self.files.push(path.to_owned());
        self.files.len() - 1
    }

    fn parse(&self, sources: &Sources, path: &str) -> Result<Vec<Item>, String> {
        let text = sources.text(path).ok_or_else(|| format!("{path}: there is no such file"))?;
        let file = syn::parse_file(text).map_err(|error| {
            format!("{path}:{}: not understood: {error}", error.span().start().line)
        })?;
        Ok(file.items)
    }

    fn add(
        &mut self,
        sources: &Sources,
        parent: Option<usize>,
        file: usize,
        items: Vec<Item>,
        home: &Home,
        macro_use: bool,
    ) -> Result<usize, String> {
        let number = self.modules.len();
        let (names, kept) = (Names::default(), Vec::new());
        self.modules.push(Module { parent, file, names, items: kept, macro_use });
        let mut names = Names::default();
        let mut kept = Vec::new();
        for item in items {
            let test = is_test(attributes(&item));
            if let Item::ExternCrate(other) = &item
                && other.ident == "self"
            {
                let (file, line) = (&home.file, other.ident.span().start().line);
                return Err(format!("{file}:{line}: `extern crate self`: write `crate` instead"));
            }
            if let Item::Mod(module) = item {
                if test {
                    self.add_test_files(sources, &module, home)?;
                    continue;
                }
                let (file, inner, inner_home) = self.open(sources, &module, file, home)?;
                let macro_use = module.attrs.iter().any(|one| one.path().is_ident("macro_use"));
                let child = self.add(sources, Some(number), file, inner, &inner_home, macro_use)?;
                let (name, meaning) = (module.ident.unraw().to_string(), Meaning::Module(child));
                names.add(name, Space::TYPE, reach(&module.vis), meaning);
            } else if !test {
                names.add_item(&item, file, &mut self.imports);
                if let Item::Macro(one) = &item
                    && let Some(ident) = &one.ident
                    && one.attrs.iter().any(|one| one.path().is_ident("macro_export"))
                    && number != 0
                {
                    let (name, meaning) = (ident.to_string(), Meaning::Item(file));
                    self.modules[0].names.add(name, Space::MACRO, Reach::Crate, meaning);
                }
                kept.push(item);
            }
        }
        let module = &mut self.modules[number];
        // The root may already have exported macros of its modules.
        for (name, found) in names.by_name {
            module.names.by_name.entry(name).or_default().extend(found);
        }
        module.names.globs = names.globs;
        module.names.generated = names.generated;
        module.items = kept;
        Ok(number)
    }

    /// The file and the items of a module, and where its own modules are.
    fn open(
        &mut self,
        sources: &Sources,
        module: &ItemMod,
        file: usize,
        home: &Home,
    ) -> Result<(usize, Vec<Item>, Home), String> {
        match &module.content {
            Some((_, items)) => Ok((file, items.clone(), inline_home(module, home))),
            None => {
                let inner = file_of(sources, module, home)?;
                let items = self.parse(sources, &inner.file)?;
                Ok((self.add_file(&inner.file), items, inner))
            }
        }
    }

    fn add_test_files(
        &mut self,
        sources: &Sources,
        module: &ItemMod,
        home: &Home,
    ) -> Result<(), String> {
        let (items, inner) = match &module.content {
            Some((_, items)) => (items.clone(), inline_home(module, home)),
            None => {
                let inner = file_of(sources, module, home)?;
                self.test_files.insert(inner.file.clone());
                (self.parse(sources, &inner.file)?, inner)
            }
        };
        for item in items {
            if let Item::Mod(module) = item {
                self.add_test_files(sources, &module, &inner)?;
            }
        }
        Ok(())
    }
}

fn inline_home(module: &ItemMod, home: &Home) -> Home {
    let children = match path_attribute(module) {
        Some(path) => join(&home.children, &path).unwrap_or_default(),
        None => join(&home.children, &module.ident.to_string()).unwrap_or_default(),
    };
    Home { file: home.file.clone(), children, inline: true }
}

/// The file of `mod x;`: `x.rs`, `x/mod.rs`, or what `#[path]` says.
fn file_of(sources: &Sources, module: &ItemMod, home: &Home) -> Result<Home, String> {
    let name = module.ident.to_string();
    let name = name.trim_start_matches("r#");
    if let Some(path) = path_attribute(module) {
        let folder = if home.inline { &home.children } else { folder_of(&home.file) };
        let path = join(folder, &path).ok_or_else(|| format!("{}: {path}?", home.file))?;
        return Ok(Home::of_file(&path, true));
    }
    let flat = join(&home.children, &format!("{name}.rs")).unwrap_or_default();
    let folder = join(&home.children, &format!("{name}/mod.rs")).unwrap_or_default();
    if sources.text(&flat).is_some() {
        Ok(Home::of_file(&flat, false))
    } else if sources.text(&folder).is_some() {
        Ok(Home::of_file(&folder, true))
    } else {
        let line = module.ident.span().start().line;
        Err(format!("{}:{line}: mod {name}: neither {flat} nor {folder} exists", home.file))
    }
}

fn path_attribute(module: &ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether code with these attributes exists in tests only.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta))
        }
        _ => false,
    })
}

fn needs_test(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
            .map(|parts| parts.into_iter().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            !parts.is_empty() && parts.iter().all(needs_test)
        }
        _ => false,
    }
}

/// The attributes of any item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
