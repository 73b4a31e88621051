//! A secret is never shown.

use serde::Deserialize;

use super::{defaults, flag, json_of, load_file, schema, toml_of, variable};
use crate::config::{Schema, Secret, load};

const VALUE: &str = "hunter2";

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
    password: Secret,
    #[expect(dead_code, reason = "only shown")]
    tokens: Vec<Secret>,
    database: Option<Database>,
}

#[derive(Debug, Deserialize)]
struct Database {
    url: Secret,
}

fn login() -> Schema {
    schema(
        "[service]\nuser = \"admin\"\npassword = \"\"\ntokens = []\n\
         [service.database]\nurl = \"hunter2\"\n",
    )
}

#[test]
fn a_secret_is_exposed_only_on_demand() {
    let file = "[service]\npassword = \"hunter2\"\ntokens = [\"hunter2\"]\n";
    let loaded = load_file::<Login>(&login(), file).expect("the file is valid");
    assert_eq!(loaded.service.password.expose(), VALUE);
    assert_eq!(loaded.service.database.as_ref().map(|d| d.url.expose()), Some(VALUE));
    assert_eq!(loaded.service.password.to_string(), "***");
    for shown in [
        format!("{:?}", loaded.service),
        toml_of(&loaded),
        json_of(&loaded).to_string(),
        format!("{:?}", loaded.effective),
    ] {
        assert!(shown.contains("***") && !shown.contains(VALUE), "{shown}");
    }
    assert!(toml_of(&loaded).contains("password = \"***\""));
    assert_eq!(json_of(&loaded)["service"]["tokens"]["value"], "***");
    assert_eq!(json_of(&loaded)["service"]["user"]["value"], "admin");
    assert_eq!(loaded.service.user, "admin");
}

#[test]
fn an_empty_secret_is_not_shown_either() {
    assert_eq!(json_of(&defaults::<Login>(&login()))["service"]["password"]["value"], "***");
}

#[test]
fn the_error_of_a_secret_does_not_have_its_value() {
    for text in ["password = 4711", "tokens = [4711]", "tokens = 4711", "database.url = 4711"] {
        let error = load_file::<Login>(&login(), &format!("[service]\n{text}\n"))
            .expect_err("a number is not text");
        assert!(error.starts_with("the configuration has 1 error\n  service."), "{error}");
        assert!(error.contains(": expected "), "{error}");
        assert!(!error.contains("found"), "{error}");
        assert!(error.ends_with("(from FILE)") && !error.contains("4711"), "{error}");
    }
}

#[test]
fn debug_output_of_the_layers_has_no_values() {
    let mut layers = variable("SAMPLE__SERVICE__PASSWORD", VALUE);
    layers.flags = flag("--password", "service.password", VALUE).flags;
    let shown = format!("{layers:?}");
    assert!(shown.contains("--password") && !shown.contains(VALUE), "{shown}");
}

#[test]
fn a_file_that_is_not_toml_is_an_error_without_the_line() {
    for value in [
        "\"hunter2",
        "hunter2",
        "'hunter2",
        "2hunter2",
        "\"\\hunter2\"",
        "\"a\" hunter2",
        "{hunter2}",
    ] {
        let text = format!("[service]\npassword = {value}\n");
        let error = load_file::<Login>(&login(), &text).expect_err("the text is not TOML");
        assert!(error.contains("at line 2") && !error.contains("hunter"), "{error}");
    }
}

#[test]
fn an_error_of_the_service_itself_does_not_have_a_secret() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Login")]
    struct Checked;
    impl TryFrom<Login> for Checked {
        type Error = String;
        fn try_from(login: Login) -> Result<Self, String> {
            match login.password.expose() {
                "" => Ok(Self),
                weak => Err(format!("the password {weak:?} or {weak} is too weak")),
            }
        }
    }
    let layers = variable("SAMPLE__SERVICE__PASSWORD", VALUE);
    let error = load::<Checked>(&login(), &layers).expect_err("the password is weak").to_string();
    assert!(error.contains("service: the password *** or *** is too weak"), "{error}");
}

#[test]
fn a_secret_in_a_flattened_struct_is_not_shown() {
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[expect(dead_code, reason = "only shown")]
        user: String,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(Debug, Deserialize)]
    struct Rest {
        password: Secret,
    }
    let schema = schema("[service]\nuser = \"admin\"\npassword = \"hunter2\"\n");
    let loaded = defaults::<Flat>(&schema);
    assert_eq!(loaded.service.rest.password.expose(), VALUE);
    let shown = json_of(&loaded);
    assert_eq!(shown["service"]["password"]["value"], "***");
    assert_eq!(shown["service"]["user"]["value"], "admin");
    let error = load_file::<Flat>(&schema, "service.password = 4711").expect_err("not text");
    assert!(error.contains("service: expected text") && !error.contains("4711"), "{error}");
}
