//! What plugins there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use gaffer_core::{
    JobConfig,
    config::suggest,
    events::Pattern,
    ini::{NodeConfig, PluginFile},
};
use gaffer_http::sites::has_site;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{job, order};

/// The file that says what a plugin is.
const FILE: &str = "plugin.ini";

/// Most plugins: each has at least a folder, and none has so many.
const MOST: usize = 1000;

/// A plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    name: String,
    /// Where it is, as an absolute path.
    folder: PathBuf,
    version: Option<String>,
    description: Option<String>,
    mandatory: Vec<String>,
    /// Whether it has a `plugin.ini`.
    has_file: bool,
    app: Option<App>,
}

/// The program of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) job: JobConfig,
    /// What it is told of from the beginning; each also as it is written.
    pub(crate) subscribe: Vec<(String, Pattern)>,
    /// `[plugin:NAME]`.
    pub(crate) config: BTreeMap<String, String>,
}

impl Plugin {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version, if it says.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What it is for, if it says.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The plugins that it cannot do without.
    pub fn mandatory(&self) -> &[String] {
        &self.mandatory
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The job that its program runs as, if it has one.
    pub fn job(&self) -> Option<&JobConfig> {
        self.app.as_ref().map(|app| &app.job)
    }

    /// Whether it is there without a site, too.
    pub(crate) fn is_more_than_a_site(&self) -> bool {
        self.has_file
    }

    pub(crate) fn app(&self) -> Option<&App> {
        self.app.as_ref()
    }
}

/// The plugins of a folder, checked: each has what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginSet {
    folder: Option<PathBuf>,
    /// Each after those that it needs, else in the order of their names.
    plugins: Vec<Plugin>,
    warnings: Vec<String>,
}

/// What stands in a folder of plugins.
#[derive(Default)]
struct Found {
    drafts: Vec<Draft>,
    /// Whether there are some of which nothing is known, as their files have mistakes.
    broken: bool,
}

/// A plugin of which only its own file is known.
struct Draft {
    name: String,
    folder: PathBuf,
    /// `None` for a site alone.
    file: Option<PluginFile>,
}

impl PluginSet {
    /// Looks at a folder, which need not be there, and at what the configuration says of plugins. Does nothing but read. Blocks.
    ///
    /// # Errors
    /// Everything that is wrong, one a line, each with its place.
    pub fn read(folder: Option<&Path>, config: &NodeConfig) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let Found { drafts, broken } = match folder {
            Some(folder) => find(folder, &mut errors, &mut warnings)?,
            None => Found::default(),
        };
        let by_name = by_name(&drafts, &mut errors);
        let needs = needs(folder, &drafts, &by_name, !broken, &mut errors);
        let depths = order::depths(&needs).unwrap_or_else(|circle| {
            errors.extend(circle_of(&drafts, &circle));
            vec![0; drafts.len()]
        });
        let mut plugins = Vec::with_capacity(drafts.len());
        for (draft, depth) in drafts.iter().zip(depths) {
            match plugin(draft, depth, config) {
                Ok(plugin) => plugins.push((depth, plugin)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        plugins.sort_by(|(depth, plugin), (other_depth, other)| (depth, &plugin.name).cmp(&(other_depth, &other.name)));
        let plugins: Vec<Plugin> = plugins.into_iter().map(|(_, plugin)| plugin).collect();
        warnings.extend(without_effect(folder, &plugins, config));
        Ok(Self { folder: folder.map(Path::to_owned), plugins, warnings })
    }

    /// The plugins, each after those that it needs.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// What will not do what its author may expect.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// The paths of the sites that there are now, by the folders' names. Sites come and go with their files. Blocks.
    pub(crate) fn sites(&self) -> BTreeMap<String, String> {
        let Some(folder) = &self.folder else { return BTreeMap::new() };
        let folders = folders(folder).unwrap_or_default(); // What cannot be read is not served either.
        let with_sites = folders.into_iter().filter(|name| has_site(&folder.join(name)));
        with_sites.map(|name| (name.clone(), format!("/_plugin/{}/", utf8_percent_encode(&name, IN_A_PATH)))).collect()
    }
}

/// What stands in a path as it is.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The names of the folders in a folder, in order. Hidden ones, and what is no text, are none.
fn folders(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !name.starts_with('.') && entry.path().is_dir() {
            names.insert(name);
        }
        if names.len() > MOST {
            return Err(io::Error::other(format!("it holds more than {MOST} folders; is it the right one?")));
        }
    }
    Ok(names)
}

/// What stands in a folder of plugins, each by itself. Mistakes of files are gathered.
///
/// # Errors
/// When the folder is there and cannot be read.
fn find(folder: &Path, errors: &mut Vec<String>, warnings: &mut Vec<String>) -> Result<Found, Vec<String>> {
    let unreadable =
        |error: io::Error| vec![format!("{}: the folder of plugins cannot be read: {error}", folder.display())];
    let absolute = std::path::absolute(folder).map_err(unreadable)?;
    let names = match folders(&absolute) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => BTreeSet::new(),
        names => names.map_err(unreadable)?,
    };
    let mut found = Found::default();
    for name in names {
        let path = folder.join(&name).join(FILE);
        let own = absolute.join(&name);
        // Also a link that leads nowhere is meant to be one.
        if path.symlink_metadata().is_ok() {
            match PluginFile::read(&path) {
                Ok(file) => {
                    let name = file.name.clone().unwrap_or(name);
                    found.drafts.push(Draft { name, folder: own, file: Some(file) });
                }
                Err(mistakes) => {
                    found.broken = true;
                    errors.push(mistakes.to_string());
                }
            }
        } else if has_site(&own) {
            found.drafts.push(Draft { name, folder: own, file: None });
        } else if seems_to_be_one(&own) {
            let path = folder.join(&name);
            let lacks = "it has neither a plugin.ini nor a site (`_site`, or an index.html)";
            warnings.push(format!("{}: is taken for no plugin: {lacks}", path.display()));
        }
    }
    Ok(found)
}

/// Whether a folder may be meant to be a plugin: one that holds nothing but folders is there to keep those in order. But those of the
/// original's plugins hold Python modules.
fn seems_to_be_one(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    entries.take(MOST).any(|path| path.is_file() || path.join("__init__.py").is_file())
}

/// Finds each by its name.
fn by_name<'a>(drafts: &'a [Draft], errors: &mut Vec<String>) -> HashMap<&'a str, usize> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (position, draft) in drafts.iter().enumerate() {
        let Some(first) = by_name.get(draft.name.as_str()).and_then(|first| drafts.get(*first)) else {
            by_name.insert(&draft.name, position);
            continue;
        };
        // One of the two has a file that names it: folders have different names.
        let named = [draft, first].into_iter().find_map(|draft| draft.file.as_ref().filter(|file| file.name.is_some()));
        let place = named.map(|file| format!("{}: [plugin] name: ", file.place_of("name"))).unwrap_or_default();
        let [one, other] = [first, draft].map(|draft| draft.folder.display());
        errors.push(format!("{place}two plugins are called `{}`, in {one} and in {other}; rename one", draft.name));
    }
    by_name
}

/// The positions of those that each needs. One that is not there may only be broken, if not all of them are known.
fn needs(
    folder: Option<&Path>,
    drafts: &[Draft],
    by_name: &HashMap<&str, usize>,
    are_all_known: bool,
    errors: &mut Vec<String>,
) -> Vec<Vec<usize>> {
    let mut needs = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut positions = Vec::new();
        for name in draft.file.iter().flat_map(|file| &file.mandatory) {
            if let Some(position) = by_name.get(name.as_str()) {
                positions.push(*position);
                continue;
            }
            if !are_all_known {
                continue;
            }
            let place = draft.file.as_ref().map(|file| file.place_of("mandatory").to_string()).unwrap_or_default();
            let there = by_name.keys().copied().filter(|other| *other != draft.name);
            let near = suggest(name, there).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            let folder = folder.unwrap_or(Path::new("")).display();
            errors.push(format!(
                "{place}: [plugin] mandatory: the plugin `{}` needs the plugin `{name}`, which is not in {folder}{near}; put it \
                 there, or remove `{}`",
                draft.name,
                draft.folder.file_name().unwrap_or_default().display(),
            ));
        }
        needs.push(positions);
    }
    needs
}

/// What to say of those that need each other.
fn circle_of(drafts: &[Draft], circle: &[usize]) -> Option<String> {
    let in_circle: Vec<&Draft> = circle.iter().filter_map(|position| drafts.get(*position)).collect();
    let first = in_circle.first()?;
    let names: Vec<&str> = in_circle.iter().chain([first]).map(|draft| draft.name.as_str()).collect();
    let place = first.file.as_ref()?.place_of("mandatory");
    Some(format!("{place}: [plugin] mandatory: plugins need each other in a circle: {}", names.join(" -> ")))
}

fn plugin(draft: &Draft, depth: u32, config: &NodeConfig) -> Result<Plugin, String> {
    let Draft { name, folder, file } = draft;
    let mut plugin = Plugin {
        name: name.clone(),
        folder: folder.clone(),
        version: None,
        description: None,
        mandatory: Vec::new(),
        has_file: file.is_some(),
        app: None,
    };
    let Some(file) = file else { return Ok(plugin) };
    let job_name = job::name(name).map_err(|error| {
        let file = file.place_of("name");
        format!("{file}: [plugin] has no `name`, and that of its folder cannot be a plugin's ({error}); give it one")
    })?;
    plugin.version.clone_from(&file.version);
    plugin.description.clone_from(&file.description);
    plugin.mandatory.clone_from(&file.mandatory);
    if let Some(app) = &file.app {
        let wrong = |error| format!("{}: [plugin] app: {error}", file.place_of("app"));
        let job = job::of(job_name, app, file, folder, depth).map_err(wrong)?;
        // They were read before.
        let subscribe = file.subscribe.iter().filter_map(|text| Some((text.clone(), text.parse().ok()?))).collect();
        plugin.app = Some(App { job, subscribe, config: config.plugins.get(name).cloned().unwrap_or_default() });
    }
    Ok(plugin)
}

/// Sections of plugins that are not there, or read nothing.
fn without_effect<'a>(
    folder: Option<&'a Path>,
    plugins: &'a [Plugin],
    config: &'a NodeConfig,
) -> impl Iterator<Item = String> + 'a {
    config.plugins.keys().filter_map(move |name| {
        let place = config.place_of_plugin(name).map(ToString::to_string).unwrap_or_default();
        let problem = match plugins.iter().find(|plugin| plugin.name == *name) {
            Some(plugin) if plugin.app.is_some() => return None,
            Some(_) => "the plugin has no `app` that could be told".to_owned(),
            None => {
                let near = suggest(name, plugins.iter().map(Plugin::name));
                let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
                match folder {
                    Some(folder) => format!("there is no such plugin in {}{near}", folder.display()),
                    None => "there is no folder of plugins".to_owned(),
                }
            }
        };
        Some(format!("{place}: [plugin:{name}] has no effect: {problem}"))
    })
}

#[cfg(test)]
mod tests;
