//! Manifests.

#![no_main]

use format::Kind;
use format::manifest::Manifest;
use format::seal::encode_object;
use libfuzzer_sys::fuzz_target;
use model::point::PointId;

fuzz_target!(|data: &[u8]| {
    let (keys, id) = (fuzz::keys(), fuzz::owned(3));
    let point = PointId::new(1_752_347_160_271_234).expect("a point's id");
    let _ = Manifest::decode(&keys, id, point, data);
    if let Some(bytes) = fuzz::framed(data) {
        let _ = Manifest::decode(&keys, id, point, &bytes);
        return;
    }
    // The point is told in the text and by the place: one that says another must be refused.
    let object = encode_object(&keys, Kind::Manifest, id.0, point.get(), data);
    let Ok((manifest, _)) = Manifest::decode(&keys, id, point, &object) else { return };
    let again = manifest.encode(&keys, id).expect("what decodes is within the limits");
    fuzz::same_text(&keys, Kind::Manifest, point.get(), &again, data);
});
