//! All arrows of a crate: every path outside of tests, resolved.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta};

use crate::graph::Arrow;
use crate::methods::Methods;
use crate::modules::{Tree, attributes, is_test};
use crate::names::{Names, Space, leaves};
use crate::resolve::{Found, Place, Target, resolve, resolve_macro};
use crate::sources::{folder_of, join};
use crate::tokens::{Mention, mentions, quoted_paths};

/// The arrows between the files of `tree`, in the order of the text; some come twice.
pub(crate) fn arrows(tree: &Tree) -> Vec<Arrow> {
    let mut found = Vec::new();
    let methods = Methods::of(tree);
    // Block imports need numbers that no import of a module has.
    let mut imports = usize::MAX / 2;
    for (number, module) in tree.modules.iter().enumerate() {
        let mut walk = Walk {
            tree,
            methods: &methods,
            module: number,
            blocks: Vec::new(),
            variables: Vec::new(),
            inner_modules: 0,
            imports: &mut imports,
            found: &mut found,
        };
        for item in &module.items {
            walk.visit_item(item);
        }
    }
    found
}

struct Walk<'a> {
    tree: &'a Tree,
    methods: &'a Methods,
    module: usize,
    blocks: Vec<Names>,
    /// The variables of the functions around: a short name among them is no path.
    variables: Vec<HashSet<String>>,
    /// How many modules inside functions are around.
    inner_modules: usize,
    imports: &'a mut usize,
    found: &'a mut Vec<Arrow>,
}

impl Walk<'_> {
    fn place(&self) -> Place<'_> {
        Place { module: self.module, blocks: &self.blocks }
    }

    /// What `path` names here. `super` in a module inside a function means the module around the
    /// function.
    fn resolve(&self, path: &[String], space: Space) -> Found {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let inside = supers.min(self.inner_modules);
        if inside == 0 {
            return resolve(self.tree, path, self.place(), space);
        }
        let mut outer = path[inside..].to_vec();
        if supers == inside {
            outer.insert(0, "self".to_owned());
        }
        resolve(self.tree, &outer, self.place(), space)
    }

    /// Walks code in which the names of `items` are known.
    fn with_names<'i>(
        &mut self,
        items: impl Iterator<Item = &'i Item>,
        walk: impl FnOnce(&mut Self),
    ) {
        let mut names = Names::default();
        let file = self.tree.modules[self.module].file;
        for item in items.filter(|item| !is_test(attributes(item))) {
            names.add_item(item, file, self.imports);
        }
        self.blocks.push(names);
        walk(self);
        self.blocks.pop();
    }

    fn add(&mut self, found: Found, text: &str, line: usize, modules_too: bool) {
        let own = self.tree.modules[self.module].file;
        let mut defined = Vec::new();
        for target in &found.targets {
            match *target {
                Target::Module(module) if modules_too => {
                    defined.push(self.tree.modules[module].file);
                }
                Target::Item(file) => defined.push(file),
                Target::Module(_) | Target::Elsewhere => {}
            }
        }
        let name = |file: usize| self.tree.files[file].clone();
        for &file in defined.iter().chain(&found.through) {
            if name(file) != name(own) {
                self.found.push(Arrow {
                    from: name(own),
                    to: name(file),
                    line,
                    path: text.to_owned(),
                    re_export: !defined.contains(&file),
                });
            }
        }
    }

    fn name(&mut self, path: &[String], line: usize, space: Space) {
        let text = path.join("::");
        if let [only] = path {
            // Explicit imports have an arrow already; what comes by a glob has one here.
            if self.variables.iter().any(|names| names.contains(only)) {
                return;
            }
            let found = self.resolve(path, space);
            self.add(found, &text, line, false);
        } else {
            let found = self.resolve(path, space);
            self.add(found, &text, line, true);
        }
    }

    fn call_macro(&mut self, path: &[String], line: usize) {
        let found = match path {
            [only] => resolve_macro(self.tree, only, self.place()),
            _ => self.resolve(path, Space::MACRO),
        };
        self.add(found, &format!("{}!", path.join("::")), line, true);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for mention in mentions(tokens) {
            self.mention(&mention);
        }
    }

    fn mention(&mut self, mention: &Mention) {
        let Mention { path, line, calls_macro, calls } = mention;
        match path.as_slice() {
            path if *calls_macro => self.call_macro(path, *line),
            [prefix @ .., star] if star == "*" => {
                let found = self.resolve(prefix, Space::TYPE);
                self.add(found, &path.join("::"), *line, true);
            }
            [only] if *calls || only.starts_with(char::is_uppercase) => {
                self.name(path, *line, Space::ANY);
            }
            [_] | [] => {}
            _ => self.name(path, *line, Space::ANY),
        }
    }

    fn path(&mut self, path: &syn::Path, space: Space) {
        if path.leading_colon.is_none() {
            let parts: Vec<String> =
                path.segments.iter().map(|part| part.ident.unraw().to_string()).collect();
            let line = path.segments.first().map_or(0, |part| part.ident.span().start().line);
            self.name(&parts, line, space);
        }
        // The arguments of generics are paths too.
        visit::visit_path(self, path);
    }

    /// `include!("a.rs")` and `include_str!("a.rs")` name a file.
    fn included_file(&mut self, one: &syn::Macro) {
        let Some(last) = one.path.segments.last().map(|part| &part.ident) else { return };
        let includes = ["include", "include_str", "include_bytes"].iter().any(|name| last == name);
        if let (true, Ok(text)) = (includes, one.parse_body::<syn::LitStr>()) {
            let own = &self.tree.files[self.tree.modules[self.module].file];
            let named = join(folder_of(own), &text.value());
            if let Some(file) = self.tree.files.iter().position(|file| Some(file) == named.as_ref())
            {
                let found = Found { targets: vec![Target::Item(file)], ..Found::default() };
                self.add(found, &text.value(), text.span().start().line, true);
            }
        }
    }

    fn in_function(&mut self, variables: HashSet<String>, walk: impl FnOnce(&mut Self)) {
        self.variables.push(variables);
        walk(self);
        self.variables.pop();
    }
}

impl<'a> Visit<'a> for Walk<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        if is_test(attributes(item)) {
            return;
        }
        // Modules have a walk of their own, except those inside functions.
        match item {
            Item::Mod(module) => {
                let items = module.content.as_ref().map_or(&[][..], |(_, items)| items);
                self.inner_modules += 1;
                self.with_names(items.iter(), |walk| {
                    for item in items {
                        walk.visit_item(item);
                    }
                });
                self.inner_modules -= 1;
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if item.leading_colon.is_some() {
            return;
        }
        for leaf in leaves(&item.tree) {
            let space = if leaf.glob { Space::TYPE } else { Space::ANY };
            // An import finds its own name too, and by it the same files.
            let found = self.resolve(&leaf.path, space);
            self.add(found, &leaf.text(), leaf.line, true);
        }
    }

    fn visit_block(&mut self, block: &'a syn::Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            syn::Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.with_names(items, |walk| visit::visit_block(walk, block));
    }

    fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
        let attributes: &[Attribute] = match statement {
            syn::Stmt::Local(local) => &local.attrs,
            syn::Stmt::Macro(one) => &one.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        let variables = variables(|find| find.visit_item_fn(item));
        self.in_function(variables, |walk| visit::visit_item_fn(walk, item));
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            let variables = variables(|find| find.visit_impl_item(item));
            self.in_function(variables, |walk| visit::visit_impl_item(walk, item));
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if !is_test(&item.attrs) {
            let variables = variables(|find| find.visit_trait_item_fn(item));
            self.in_function(variables, |walk| visit::visit_trait_item_fn(walk, item));
        }
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if !is_test(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'a syn::FieldValue) {
        if !is_test(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'a syn::Variant) {
        if !is_test(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if !is_test(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.path(path, Space::ANY);
    }

    fn visit_expr_path(&mut self, expression: &'a syn::ExprPath) {
        if let Some(own) = &expression.qself {
            self.visit_qself(own);
        }
        // `<Type>::name` has no path before the type.
        if expression.qself.as_ref().is_none_or(|own| own.position > 0) {
            self.path(&expression.path, Space::VALUE);
        }
    }

    fn visit_type_path(&mut self, path: &'a syn::TypePath) {
        if let Some(own) = &path.qself {
            self.visit_qself(own);
        }
        if path.qself.as_ref().is_none_or(|own| own.position > 0) {
            self.path(&path.path, Space::TYPE);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let name = call.method.unraw().to_string();
        if let Some(file) = self.methods.apart(&name) {
            let found = Found { targets: vec![Target::Item(file)], ..Found::default() };
            self.add(found, &format!(".{name}()"), call.method.span().start().line, true);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, one: &'a syn::Macro) {
        if one.path.leading_colon.is_none() {
            let parts: Vec<String> =
                one.path.segments.iter().map(|part| part.ident.unraw().to_string()).collect();
            let line = one.path.segments.first().map_or(0, |part| part.ident.span().start().line);
            self.call_macro(&parts, line);
        }
        self.included_file(one);
        self.tokens(one.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        let path = attribute.path();
        if path.is_ident("doc") {
            return;
        }
        if path.segments.len() > 1 {
            self.visit_path(path);
        }
        if let Meta::List(list) = &attribute.meta {
            for mention in mentions(list.tokens.clone()) {
                if mention.path.len() > 1 {
                    self.mention(&mention);
                }
            }
            if path.is_ident("serde") {
                for mention in quoted_paths(list.tokens.clone()) {
                    self.mention(&mention);
                }
            }
        }
    }

    // `pub(in crate::a)` says who may use the item, not what the item uses.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}

/// The variables that some code binds.
fn variables(walk: impl FnOnce(&mut Variables)) -> HashSet<String> {
    let mut find = Variables::default();
    walk(&mut find);
    find.0
}

#[derive(Default)]
struct Variables(HashSet<String>);

impl<'a> Visit<'a> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        let name = pattern.ident.unraw().to_string();
        // `None` in a pattern looks like a variable.
        if name.starts_with(|first: char| first.is_lowercase() || first == '_') {
            self.0.insert(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
}
