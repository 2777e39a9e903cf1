//! Releases, and the packages for operators, in a fresh Debian.

// A fresh Debian, in which programs run by chroot.
mod fresh_root;
// Installed, used, upgraded, purged; the unit.
mod life_of_packages;
// The version, its commit and its tag.
mod release;
