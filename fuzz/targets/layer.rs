//! The whole layer against a reference model. The input decides settings, requests, statuses,
//! headers, bodies, pendings, errors, the clock, and when the caller drops the future. Everything
//! that happens is logged, and the model checks the log.
//!
//! `scene` is the input; `world`, `upload` and `service` play it; `drive` polls; `model` judges by
//! the documented promises alone.

#![no_main]

#[path = "layer/capture.rs"]
mod capture;
#[path = "layer/cooldown.rs"]
mod cooldown;
#[path = "layer/drive.rs"]
mod drive;
#[path = "layer/finish.rs"]
mod finish;
#[path = "layer/model.rs"]
mod model;
#[path = "layer/others.rs"]
mod others;
#[path = "layer/plan.rs"]
mod plan;
#[path = "layer/reading.rs"]
mod reading;
#[path = "layer/scene.rs"]
mod scene;
#[path = "layer/service.rs"]
mod service;
#[path = "layer/settings.rs"]
mod settings;
#[path = "layer/setup.rs"]
mod setup;
#[path = "layer/upload.rs"]
mod upload;
#[path = "layer/verdict.rs"]
mod verdict;
#[path = "layer/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|scene: scene::Scene| drive::run(&scene));
