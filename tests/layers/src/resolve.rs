//! From a path, as it stands in a module, to the files that it names.

use std::collections::BTreeSet;

use crate::modules::Tree;
use crate::names::{Meaning, Name, Names, Reach, Space};

/// Where a path stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) module: usize,
    /// The names of the blocks around it, the innermost last.
    pub(crate) blocks: &'a [Names],
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(usize),
    /// An item in the file with this number.
    Item(usize),
    /// Another crate, or a name of the language.
    Elsewhere,
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) targets: Vec<Target>,
    /// The files of the re-exports on the way.
    pub(crate) through: BTreeSet<usize>,
}

impl Found {
    fn one(target: Target) -> Self {
        Self { targets: vec![target], through: BTreeSet::new() }
    }

    fn merge(&mut self, other: Self) {
        for target in other.targets {
            if !self.targets.contains(&target) {
                self.targets.push(target);
            }
        }
        self.through.extend(other.through);
    }

    fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

/// One search: the imports that it is following already, and how it treats unknown names.
struct Search<'a> {
    tree: &'a Tree,
    following: Vec<usize>,
    /// A name that a module does not define, because a macro call generates it, counts for the
    /// module's file.
    guess: bool,
}

/// What `path` names at `place`: searched in `space`, then in all spaces, then by guessing. The guess
/// is for names that a macro call generates: the file of the last known module.
pub(crate) fn resolve(tree: &Tree, path: &[String], place: Place<'_>, space: Space) -> Found {
    for (space, guess) in [(space, false), (Space::ANY, false), (Space::ANY, true)] {
        let mut search = Search { tree, following: Vec::new(), guess };
        let found = search.path(path, place, space);
        if !found.is_empty() {
            return found;
        }
    }
    Found::default()
}

/// What the single name of a macro call means: also a macro of a module around it, or of one that
/// is marked `#[macro_use]`.
pub(crate) fn resolve_macro(tree: &Tree, name: &str, place: Place<'_>) -> Found {
    let mut search = Search { tree, following: Vec::new(), guess: false };
    let found = search.lexical(name, place, Space::MACRO);
    if !found.is_empty() {
        return found;
    }
    let mut around = tree.modules[place.module].parent;
    while let Some(module) = around {
        let found = search.in_module(module, name, Space::MACRO, place.module);
        if !found.is_empty() {
            return found;
        }
        around = tree.modules[module].parent;
    }
    let mut found = Found::default();
    for (number, module) in tree.modules.iter().enumerate() {
        if module.macro_use {
            found.merge(search.in_module(number, name, Space::MACRO, number));
        }
    }
    found
}

impl Search<'_> {
    fn path(&mut self, path: &[String], place: Place<'_>, space: Space) -> Found {
        let Some((first, mut rest)) = path.split_first() else { return Found::default() };
        let mut found = match first.as_str() {
            "crate" | "$crate" => Found::one(Target::Module(0)),
            "self" => Found::one(Target::Module(place.module)),
            "super" => {
                let mut module = self.parent(place.module);
                while let Some(("super", after)) =
                    rest.split_first().map(|(first, after)| (first.as_str(), after))
                {
                    (module, rest) = (self.parent(module), after);
                }
                Found::one(Target::Module(module))
            }
            "Self" => Found::one(Target::Elsewhere),
            name => {
                let space = if rest.is_empty() { space } else { Space::TYPE };
                let found = self.lexical(name, place, space);
                if found.is_empty() { Found::one(Target::Elsewhere) } else { found }
            }
        };
        for (index, name) in rest.iter().enumerate() {
            let space = if index + 1 == rest.len() { space } else { Space::TYPE };
            let mut next = Found { targets: Vec::new(), through: found.through };
            for target in found.targets {
                next.merge(match target {
                    Target::Module(module) => {
                        let inner = self.in_module(module, name, space, place.module);
                        if inner.is_empty() && self.guess { self.guessed(module) } else { inner }
                    }
                    // A variant, an associated item, or something of another crate.
                    known => Found::one(known),
                });
            }
            found = next;
            if found.is_empty() {
                return found;
            }
        }
        found
    }

    fn parent(&self, module: usize) -> usize {
        self.tree.modules[module].parent.unwrap_or(0)
    }

    /// A name with nothing before it: of a block around it, else of the module.
    fn lexical(&mut self, name: &str, place: Place<'_>, space: Space) -> Found {
        for (index, block) in place.blocks.iter().enumerate().rev() {
            let here = Place { module: place.module, blocks: &place.blocks[..=index] };
            let found = self.among(block, name, space, here, |_| true);
            if !found.is_empty() {
                return found;
            }
        }
        self.in_module(place.module, name, space, place.module)
    }

    /// A name of `module`, as code in the module `from` may use it.
    fn in_module(&mut self, module: usize, name: &str, space: Space, from: usize) -> Found {
        let tree = self.tree;
        let here = Place { module, blocks: &[] };
        self.among(&tree.modules[module].names, name, space, here, |reach| {
            tree.may_use(reach, module, from)
        })
    }

    fn among(
        &mut self,
        names: &Names,
        name: &str,
        space: Space,
        here: Place<'_>,
        may_use: impl Fn(Reach) -> bool,
    ) -> Found {
        let file = self.tree.modules[here.module].file;
        let mut found = Found::default();
        let known: &[Name] = names.by_name.get(name).map_or(&[], Vec::as_slice);
        for one in known.iter().filter(|one| one.space.shares(space) && may_use(one.reach)) {
            match &one.meaning {
                Meaning::Module(module) => found.merge(Found::one(Target::Module(*module))),
                Meaning::Item(file) => found.merge(Found::one(Target::Item(*file))),
                Meaning::Import(import) => {
                    let inner = self.follow(import.number, &import.path, here, space);
                    if !inner.is_empty() {
                        found.merge(inner);
                        found.through.insert(file);
                    }
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
        for (_, import) in names.globs.iter().filter(|(reach, _)| may_use(*reach)) {
            let base = self.follow(import.number, &import.path, here, Space::TYPE);
            for target in &base.targets {
                let Target::Module(module) = *target else { continue };
                if self.following.contains(&import.number) {
                    continue;
                }
                self.following.push(import.number);
                let inner = self.in_module(module, name, space, here.module);
                self.following.pop();
                if !inner.is_empty() {
                    found.merge(inner);
                    found.through.insert(file);
                    found.through.extend(&base.through);
                }
            }
        }
        found
    }

    fn follow(&mut self, number: usize, path: &[String], here: Place<'_>, space: Space) -> Found {
        if self.following.contains(&number) {
            return Found::default();
        }
        self.following.push(number);
        let found = self.path(path, here, space);
        self.following.pop();
        found
    }

    /// Where a name may be that `module` does not show: in its own file, or in a module that it
    /// re-exports whole and that has macro calls among its items.
    fn guessed(&mut self, module: usize) -> Found {
        let tree = self.tree;
        let mut found = Found::one(Target::Item(tree.modules[module].file));
        for (_, import) in &tree.modules[module].names.globs {
            let here = Place { module, blocks: &[] };
            for target in self.follow(import.number, &import.path, here, Space::TYPE).targets {
                if let Target::Module(inner) = target
                    && tree.modules[inner].names.generated
                {
                    found.merge(Found::one(Target::Item(tree.modules[inner].file)));
                }
            }
        }
        found
    }
}

impl Tree {
    /// Whether a name of `owner` with this reach may be used in `from`.
    fn may_use(&self, reach: Reach, owner: usize, from: usize) -> bool {
        let Reach::Ancestor(levels) = reach else { return true };
        let mut top = owner;
        for _ in 0..levels {
            top = self.modules[top].parent.unwrap_or(top);
        }
        let mut module = Some(from);
        while let Some(number) = module {
            if number == top {
                return true;
            }
            module = self.modules[number].parent;
        }
        false
    }
}
