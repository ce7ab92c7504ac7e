"""Files that know what they were made from: identities, manifests, atomic writes, locks."""
