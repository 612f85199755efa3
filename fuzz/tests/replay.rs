//! Every seed and every past finding, through its property, on stable.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::{TARGETS, run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files in a folder of `kind`, none where the folder does not exist.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(root().join(kind).join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_and_regression_keeps_its_property() {
    for (target, _) in TARGETS {
        let seeds = inputs("seeds", target);
        assert!(!seeds.is_empty(), "{target} has no seed");
        for file in seeds.into_iter().chain(inputs("regressions", target)) {
            println!("{}", file.display()); // shown when the property panics
            let data = fs::read(&file).unwrap();
            run(target, &data);
            for end in 0..data.len().min(512) {
                run(target, &data[..end]);
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_folder_a_target() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for name in &names {
        assert!(
            root().join(format!("fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    for kind in ["seeds", "regressions", "fuzz_targets"] {
        let Ok(folder) = fs::read_dir(root().join(kind)) else {
            continue;
        };
        for entry in folder {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                names.contains(&stem) || stem.starts_with('.'),
                "{}",
                path.display()
            );
        }
    }
}
