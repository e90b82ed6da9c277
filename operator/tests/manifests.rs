//! The manifests that come with the product.

use std::fs;
use std::path::{Path, PathBuf};

use user_info_api::crd::load;

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

#[test]
fn the_definition_is_the_generated_one() {
    let written = fs::read_to_string(manifests().join("crd.yaml")).unwrap_or_default();
    assert!(written == user_info_operator::crd::yaml(), "manifests/crd.yaml is not what the types say; run `make generate`");
}

#[test]
fn every_sample_can_be_used_and_no_name_is_taken_twice() {
    let mut names = Vec::new();
    for file in fs::read_dir(manifests().join("samples")).expect("samples") {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.contains("# Try next:\n") || text.contains("Try next:\n"), "{}: its comments say nothing to try next", path.display());
        let resource = load(&text).unwrap_or_else(|error| panic!("{}", error.in_file(&path.display().to_string())));
        names.extend(resource.metadata.name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "circuit-breaker",
            "discovery",
            "faults",
            "managed",
            "metrics",
            "quickstart",
            "rate-limit",
            "recovery",
            "serve",
            "user-info",
            "weighted-round-robin"
        ],
        "one sample an experiment"
    );
}
