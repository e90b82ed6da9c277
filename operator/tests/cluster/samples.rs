//! The samples, as a person applies them.

use std::fs;
use std::path::Path;

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use crate::harness::Place;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_api_server_takes_every_sample() {
    let place = Place::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples");
    let mut taken = 0;
    for file in fs::read_dir(folder).expect("samples") {
        let path = file.expect("a file").path();
        let resource: Value = serde_yaml::from_str(&fs::read_to_string(&path).expect("readable")).expect("YAML");
        let name = resource["metadata"]["name"].as_str().expect("a name");
        let applied = place.resources().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&resource)).await;
        let applied = applied.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let spec = serde_json::to_value(applied.spec).expect("JSON");
        assert_eq!(spec["server"]["grpcPort"], 9001, "{}: defaults are filled in", path.display());
        taken += 1;
    }
    assert_ne!(taken, 0);
}
