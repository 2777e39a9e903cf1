//! Rebuilds the relay when a file of the web client is added, removed or changed.

fn main() {
    println!("cargo:rerun-if-changed=web");
}
