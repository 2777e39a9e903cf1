//! The package: made by `npm pack`, installed as an application installs it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use chat_tests::documents::root;
use tempfile::TempDir;

/// The folder into which the package is unpacked. Made once per run; ends with the test's process.
pub(super) fn unpacked() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("client");
        let _ = std::fs::remove_dir_all(&made);
        std::fs::create_dir_all(&made).expect("a folder");
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--pack-destination"]).arg(&made);
        let packed = done(pack.current_dir(root().join("sdk")));
        let name = String::from_utf8(packed.stdout).expect("UTF-8").trim().to_owned();
        done(Command::new("tar").arg("xzf").arg(&name).current_dir(&made));
        made.join("package")
    })
}

/// The folder of an application that has the package, and others of the workbench.
pub(super) fn application(others: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let modules = dir.path().join("node_modules");
    std::fs::create_dir(&modules).expect("a folder");
    symlink(unpacked(), modules.join("redis-chat")).expect("a link");
    for other in others {
        let folder = root().join("node_modules").join(other);
        let to = modules.join(other);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        symlink(folder, to).expect("a link");
    }
    std::fs::write(dir.path().join("package.json"), r#"{"type":"module"}"#).expect("a file");
    dir
}

/// What the compiler of TypeScript says of a program, whose file has this name, in an application.
pub(super) fn types(application: &TempDir, name: &str, text: &str) -> Output {
    std::fs::write(application.path().join(name), text).expect("a file");
    let mut tsc = Command::new(root().join("node_modules/.bin/tsc"));
    let flags = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext"];
    // The package is a link here.
    tsc.arg("--preserveSymlinks").args(flags).args(["--jsx", "react-jsx"]);
    tsc.args(["--lib", "es2022,dom", "--types", "react", name]);
    tsc.current_dir(application.path()).output().expect("tsc")
}

#[track_caller]
fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = [&*output.stdout, &*output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&told));
    output
}

#[test]
fn it_has_what_an_application_needs_and_nothing_else() {
    let package = unpacked();
    let files = [
        "LICENSE",
        "README.md",
        "package.json",
        "src/index.js",
        "types/index.d.ts",
        "types/store.d.ts",
        "types/react.d.ts",
        "types/shared.d.ts",
        "dist/redis-chat.js",
        "conformance/rooms.json",
    ];
    for file in files {
        assert!(package.join(file).is_file(), "{file}");
    }
    let mut found: Vec<String> = std::fs::read_dir(package)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    found.sort();
    let expected = ["LICENSE", "README.md", "conformance", "dist", "package.json", "src", "types"];
    assert_eq!(found, expected);
}

#[test]
fn its_types_fit_an_application_and_find_its_mistakes() {
    let application = application(&["react", "@types/react", "csstype"]);
    let good = "
        import { ChatError, createClient } from 'redis-chat';
        import { useMessages, useRoom } from 'redis-chat/react';
        import { createSharedClient } from 'redis-chat/shared';
        import { createRoomStore } from 'redis-chat/store';

        const chat = createClient({ url: 'wss://h.example/ws', getToken: async ({ reason }) => reason });
        const shared = createSharedClient({ url: 'wss://h.example/ws', user: 'alice' });
        chat.on('status', ({ state, relay }) => console.log(state.length, relay?.length));
        const room = await chat.join('lobby', { signal: new AbortController().signal, timeoutMs: 5 });
        const end: () => void = room.on('message', ({ text, meta }) => console.log(text.length, meta));
        const { id }: { id: string | null } = await room.send('hi', { replyTo: '1-1', mentions: ['bob'] });
        const store = createRoomStore(room);
        const texts: (string | undefined)[] = store.getSnapshot().items.map((item) => item.text);
        export function Lobby() {
          const { room, error } = useRoom('lobby');
          return [useMessages(room).items.length, error?.code.length];
        }
        try { await room.delete('1-1'); } catch (error) {
          if (error instanceof ChatError) console.log(error.code, error.retryMs, error.final);
        }
        console.log(end, id, texts, shared);
    ";
    let wrong = [
        "import { createClient } from 'redis-chat'; createClient({ urls: 'not a list' });",
        "import { createClient } from 'redis-chat'; createClient({ url: 'x' }).on('nothing', () => {});",
        "import { createClient } from 'redis-chat'; \
         const room = await createClient({ url: 'x' }).join('a'); room.send(5);",
    ];
    let check = |text: &str| types(&application, "app.ts", text);
    let output = check(good);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for text in wrong {
        assert!(!check(text).status.success(), "{text}");
    }
}
