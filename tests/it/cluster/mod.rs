//! Clusters: shards fail, move and come back.

mod fixture;
