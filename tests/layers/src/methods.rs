//! Methods that are defined in another file than their type.
//!
//! A method call names no path. If the `impl` block stands in the file of the type, the path to the
//! type makes the arrow. If it stands in another file, nothing else names that file.

use std::collections::{HashMap, HashSet};

use syn::Item;
use syn::ext::IdentExt as _;

use crate::modules::{Tree, is_test};
use crate::names::Space;
use crate::resolve::{Place, Target, resolve};

/// Where methods are defined, by the method's name.
#[derive(Default)]
pub(crate) struct Methods(HashMap<String, HashSet<Method>>);

#[derive(PartialEq, Eq, Hash)]
struct Method {
    file: usize,
    /// The type is defined in another file.
    apart: bool,
}

impl Methods {
    pub(crate) fn of(tree: &Tree) -> Methods {
        let mut methods = Methods::default();
        for (number, module) in tree.modules.iter().enumerate() {
            for item in &module.items {
                if let Item::Impl(block) = item {
                    methods.add(tree, number, block);
                }
            }
        }
        methods
    }

    fn add(&mut self, tree: &Tree, module: usize, block: &syn::ItemImpl) {
        let file = tree.modules[module].file;
        let apart = match &*block.self_ty {
            syn::Type::Path(own) if block.trait_.is_none() => {
                let parts: Vec<String> =
                    own.path.segments.iter().map(|part| part.ident.unraw().to_string()).collect();
                let place = Place { module, blocks: &[] };
                let found = resolve(tree, &parts, place, Space::TYPE);
                found.targets.iter().any(|found| matches!(found, Target::Item(own) if *own != file))
            }
            _ => false,
        };
        for item in &block.items {
            if let syn::ImplItem::Fn(method) = item
                && method.sig.receiver().is_some()
                && !is_test(&method.attrs)
            {
                let name = method.sig.ident.unraw().to_string();
                self.0.entry(name).or_default().insert(Method { file, apart });
            }
        }
    }

    /// The file with this method, if it is the only method of this name and stands apart from its
    /// type. Other methods may be those of a lower type, of the standard library or of a crate.
    pub(crate) fn apart(&self, name: &str) -> Option<usize> {
        let methods = self.0.get(name)?;
        methods.iter().next().filter(|one| methods.len() == 1 && one.apart).map(|one| one.file)
    }
}
