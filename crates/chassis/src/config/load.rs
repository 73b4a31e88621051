//! Loads the settings.

use serde::de::DeserializeOwned;

use super::{
    defaults::Defaults,
    effective::Effective,
    error::ConfigErrors,
    layer::Layers,
    own::{self, Own},
    reader::Reader,
    schema::Schema,
    secret,
    sections::Settings,
    value::as_json,
};

/// The settings in effect.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    /// The settings of the chassis.
    pub chassis: Settings,
    /// The service's own settings.
    pub service: S,
    /// Each value with its source: the chassis's in the order of their declarations, then the
    /// service's in the order of its TOML.
    pub effective: Vec<Effective>,
}

/// Merges the layers and checks every value.
///
/// ```
/// use std::time::Duration;
/// use chassis::{Package, config::{Layers, Schema, load}};
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     #[serde(deserialize_with = "chassis::config::duration")]
///     work: Duration,
/// }
///
/// let schema = Schema {
///     package: Package { name: "sample-service", version: "0.1.0", description: "A service" },
///     service_defaults: "[service]\n# The time that each call takes.\nwork = \"10ms\"\n",
///     flags: &[],
/// };
/// let variable = ("SAMPLE__SERVICE__WORK".into(), "1s".into());
/// let layers = Layers { environment: vec![variable], ..Layers::default() };
/// let loaded = load::<Settings>(&schema, &layers)?;
/// assert_eq!(loaded.service.work, Duration::from_secs(1));
/// assert_eq!(loaded.chassis.server.max_workers.get(), 5);
/// # Ok::<_, chassis::config::ConfigErrors>(())
/// ```
///
/// # Errors
///
/// Returns all configuration errors of all layers at once, each with its key and its source.
///
/// # Panics
///
/// Panics with the key if the service's defaults are not valid, or do not have the fields and types
/// of `S`. That is an error in its program, which every start shows.
pub fn load<S: DeserializeOwned>(
    schema: &Schema,
    layers: &Layers,
) -> Result<Loaded<S>, ConfigErrors> {
    let defaults = Defaults::new(schema);
    // The defaults are read alone first, because other layers could hide that they do not have the
    // fields and types of `S`. A default value that `S` refuses is no error yet: another layer can
    // set it.
    let _ = own::read::<S>(defaults.as_layer(), &defaults);

    let (values, mut errors) = layers.merge(&defaults);
    let mut reader = Reader::new(&values);
    let chassis = Settings::read(&mut reader);
    errors.extend(reader.into_errors());
    let own = own::read(values.clone(), &defaults).map_err(|own| errors.extend(own));

    let (Some(chassis), Ok(Own { settings: service, secrets }), true) =
        (chassis, own, errors.is_empty())
    else {
        return Err(ConfigErrors(errors));
    };
    let effective = defaults.order.into_iter().map(|(section, name)| {
        let key = format!("{section}.{name}");
        let sourced = &values[&key];
        let value =
            if secrets.contains(&key) { secret::HIDDEN.into() } else { as_json(&sourced.value) };
        let source = sourced.source.clone().unwrap_or_else(|| "default".to_owned());
        match chassis.limits.memory.derived_from() {
            Some(from) if key == "limits.memory" => {
                let value = format!("{}MiB", chassis.limits.memory.get() >> 20).into();
                let source = format!("{source}: {from}");
                Effective { section, name, value, source }
            }
            _ => Effective { section, name, value, source },
        }
    });
    let effective = effective.collect();
    Ok(Loaded { chassis, service, effective })
}
