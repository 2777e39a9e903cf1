//! `deploy/container` and `deploy/kubernetes`: the images built and run by Podman, the Compose file
//! brought up, the manifest against its schema.

// Redis, relays, HAProxy and Prometheus by the Compose file.
mod composed;
// Each file against the tool or the schema that it is for, and what must agree.
mod files;
// Each image on its own.
mod alone;
// Podman, and the images that it has built.
mod podman;
