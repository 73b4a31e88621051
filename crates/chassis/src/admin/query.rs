//! The query of a URL.

use percent_encoding::percent_decode_str;

/// Returns the values of the parameters with these names.
///
/// # Errors
///
/// Returns an error if the query has another parameter, the same one twice, or a value that is not
/// UTF-8.
pub(super) fn parameters<const N: usize>(
    query: Option<&str>,
    names: [&str; N],
) -> Result<[Option<String>; N], String> {
    let mut values = [const { None }; N];
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let Some(index) = names.iter().position(|known| *known == name) else {
            return Err(format!("there is no parameter {name:?}: there are {}", names.join(", ")));
        };
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| format!("the parameter {name} is not UTF-8"))?;
        if values[index].replace(value.into_owned()).is_some() {
            return Err(format!("the parameter {name} is there twice"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_known_parameters_once_each() {
        let read = |query| parameters(Some(query), ["filter", "for"]);
        let values = |filter: &str, time: Option<&str>| {
            Ok([Some(filter.to_owned()), time.map(ToOwned::to_owned)])
        };
        assert_eq!(read("filter=debug&for=10m"), values("debug", Some("10m")));
        assert_eq!(read("filter=info,h2=debug"), values("info,h2=debug", None));
        assert_eq!(read("&filter=info%2Ch2%3Ddebug&"), values("info,h2=debug", None));
        assert_eq!(parameters(None, ["filter"]), Ok([None]));
        for (query, named) in
            [("level=debug", "\"level\""), ("for=1s&for=2s", "for"), ("for=%ff", "for")]
        {
            let problem = read(query).expect_err(query);
            assert!(problem.contains(named), "{problem}");
        }
    }
}
