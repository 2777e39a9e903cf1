//! Rebuilds the relay when a file that it embeds is added, removed or changed.

fn main() {
    println!("cargo:rerun-if-changed=web");
    println!("cargo:rerun-if-changed=../sdk/src");
}
