"""The 2,048 words of support codes. The order is part of the protocol: a word is the 11 bits of its place.

Source: the EFF's Long Wordlist for dice passphrases (Joseph Bonneau, Electronic Frontier Foundation, 2016,
https://www.eff.org/dice), licensed CC-BY 3.0 US (https://creativecommons.org/licenses/by/3.0/us/). Changed: selected.

The rule of selection, in the order the words were taken (tulip, rocket, amber, then shortest first, then by alphabet):
1. only the letters a to z, 3 to 8 of them; nothing insulting, gruesome, intimate, religious, and no brand;
2. the first four letters are its own, and no word begins another one;
3. one mistyped, missing, added or swapped letter never turns it into another one;
4. it does not sound like another one: spelled by ear (`tests/core/test_words.py`) all differ.
The first 2,048 were kept and sorted.
"""

WORDS: tuple[str, ...] = tuple(
    """
abacus abdomen abiding ability ablaze able abreast abridge abroad absence absolve abstain absurd accent acclaim
acetone aching acid acorn acquire acre acrobat action actress acts acutely aerosol affair affix afford affront afoot
afraid aged ageless agent aghast agile aging agony agreed ahead ahoy aide aim ajar alarm album alfalfa algebra alias
alibi aliens alike almanac almost aloe aloft aloha aloof alright alto alumni always amaze amber ambush amends amiable
amigo ammonia amnesty among amount ample amulet amused anagram anatomy anchor ancient android anemic anew angelic
angled angular anime ankle annuity another antacid anthem antics antler antonym antsy anvil anybody anyhow anymore
anytime anyway aorta apache apply approve april apron aqua area argue armband armed armful armhole arming armless
armory army aroma arose around arrange arrest arrive art ascend ashamed ashen ashy askew aspect aspire astound astride
astute atlas atom atrium attach attest attic audio avatar avenge avert avoid await awaken award awhile awkward awning
awoke axis babble babied baboon backer bacon badge badly baffle bagel bagful baggy bagpipe baked baking balance
balcony balmy bamboo banana banish banjo banner banshee barbed barcode barista barley barman barn barrel basil basket
bath battle bazooka blabber blade blah blaming blank blazer bleak blemish bless bling blip blitz bloated blob blooper
bluff bluish blurb boaster bobbing bobcat bobsled bobtail body boggle boil bolt bonanza boney bonfire bonnet bonsai
bonus book boots borax boring borough boss botany botch bottom bouncy bovine boxcar boxlike breach breeze brewery
briar bribe brick bridged bright brim brisket brittle broaden broiler broken bronco browse bubbly bucket budding
budget buffed bulb bulge bulldog bunch bundle bungee bunt bush busily busload cabana cabbie caboose cache cacti caddy
cadet cadmium cahoots cake calcium caliber calm caloric calzone cameo camper canal candle canned canon canteen capable
capital capsize caption carat carbon carded caress cargo caring carload carol carpool carry cartel carve carwash
cascade cash casino catalog catchy caterer catfish catlike catnap catsup cattail catwalk cause cavalry cavity cedar
celery celtic cement census certify chain chalice chamber chant chaps charm chase chatty cheddar cheek chef chemist
chest chevron chewy chili chip chirpy chive choosy chosen chowder chrome chummy chunk churn chute cinch cinema circle
citable citizen citric city civic clad claim clamp clang clapper clarify class clatter clean clench clerk clever
clicker client climate clinic clique cloak clobber cloning closure clothes clubbed clumsy clunky clutch coastal cobalt
cobbler cobweb cocoa cod coexist coffee cola collar colony come comfy comic common compel comrade concur condone
confess conical conjure consent contact convene copier copy cork corny correct corset cosmos cost cotton could county
courier cover coyness cozily cradle crafty crane craving crazy create credit creed creme creole crept crested crevice
crewman cricket crier crimp crinkle crispy critter crock crop cross crouch crowd crucial crumb crunchy crust crux
cryptic crystal cube cubical cuddle culprit culture cupcake cupid curable curfew curly cursor curtsy cushy cusp
custard cut cycle cymbal dad dagger dainty dairy dance dandy dangle dares darkish darling data dating dawdler dawn
daybed daycare daylong dayroom daytime dazzler dealt dean debate debrief debug decaf decent decibel deck decline decoy
decree deduce deem deepen defame defense define deflate defog defrost deftly defuse defy delete delouse delta deluge
demote denim density dental depict deploy depose deprive depth deputy derail derby derived deserve desktop despite
destiny detract devalue device diagram dial dig dimly dimmed dimness dimple diner dingo dining dioxide dipped disband
discard disdain dish disjoin dislike dismiss disobey display disrupt distant ditch divided doable docile dodge doing
dollop dolphin domain donated donut doodle doorman dosage dose dotted drab drainer drank drapery drastic dreamt drench
dress drew dribble dried drift driller drippy driven drizzle drone droop droplet drum dry duchess ducking duct duffel
dugout duly duo duplex durably during dutiful duvet dwelled dwindle dynamic each eagle earache eardrum earful early
earmark earshot earthy earwig easel easily easter eatable eaten eats ebony echo eclair eclipse ecology economy edge
edging editor eel effects effort eggnog egotism eject elastic elated elbow eldest eleven elf elite elixir elope elude
elusive elves email embark emblem embody emerald emit empathy emperor empower empty emu enable enamel enclose encode
encrust ended ending endless endnote endorse energy engaged engine engross engulf enhance enjoyer enrich enroll ensure
entire entree entwine envious envy enzyme epic episode equal equity erased errant error erupt esquire essence etching
eternal ethanol ether ethics evasion even evident evoke evolve exact exalted example excess exclaim exert exhale exile
expand expel expire explain expose express extent extinct extras fabric faceted facial factor faculty fade fading
falcon fall false family fancy fanfare fang fanning fantasy fasting faucet favored fax feast federal fedora feeble
feisty feline fence fender ferment ferry fervor fester fiber fiction fiddle fifth figment figure filing filled film
filter finale finite finless fit five flagman flail flaky flame flanked flap flaring flask flatly fled flick flier
flinch float floral floss flyable flying flyover foam fog folic folk follow fondly font footer fossil foyer fragile
framing frantic frays freely frenzy fresh fretful friday friend frill fringe frisk from frosty froth frown frozen
fruit gaffe gains gala gallon galore gaming gamma gangway gap garage garden gargle garlic garment garnet garter
gauging gauze gave gear gecko geiger gem generic genre gently geology gesture getaway getting getup giant giblet giddy
gift giggle gills gimmick girdle given giving gizmo gizzard glacial gladly glamour glance glare glazing gleeful glider
glimpse glisten glitch gloater gloomy glory glove glowing glucose glue gluten gnarly gnat goal goggles golf gondola
gone good goofy gopher gosling gossip gotten gown graded grafted grain granny grape grasp gratify gravel gray greeter
grid grime gristle groggy groove grout growl grudge gruffly grumble guiding gulp gumball gumdrop guru gusto guy
guzzler habitat hacking haggler haiku half halogen halved hamlet hammock hamster handed hangout hankie happy harbor
hardy harmony harness harpist harsh harvest haste hatbox hatchet hatless haven hazily hazy headed heap heave hefty
helium helmet helper henna herald herbs hermit heroics herring herself hertz hexagon hubcap huff hug hula human humble
humid hummus hunger hunting hurdle hurled hurry husband husked hybrid hydrant hyphen ice icing ideally idiom idly
igloo ignore image imitate impart imply impose imprint impulse iodize ion isotope issuing italics ivory ivy jackal jam
janitor january jargon jarring jasmine jaunt java jawed jawless jaybird jazz jelly jersey jet jiffy jigsaw jingle
jitters job jockey jogger joining jovial joyride judge judo juggle juice jujitsu jukebox jumbo jump june junior jurist
juror jury justly kabob karaoke karma keenly keep keg kept kettle kiln kimono kindly kinetic kinfolk king kinship
kitchen kiwi knee knelt kudos labored ladder ladies ladle ladybug lagged lagoon lair landing lanky lantern lapdog
lapel lapped laptop large lark lasso last latch late lather launch laurel lavish left legal legend legible legroom
legume legwork lemon lend length leotard lesser letdown letter level liberty library lid life lifter likely liking
lilac lily limb limes limit linked linseed lint liquefy litmus little livable lived lividly lizard lucid lullaby
lumber lumping lunar lung lurch lushly luster luxury lyrics macaw machine magenta magical magnify majesty maker malt
mama mammal manager mandate mango manhood manor mantis manual many marbled march margin marina maroon married marshy
mascot mashed masses mastiff matador matcher matrix matted maximum maybe mayday mobile mocha mockup modify module
moisten molar mollusk mom monday monitor monsoon monthly mooing moonlit morally morse mortify mossy motion motor motto
mounted movable move mower much mud mule mulled mummify mundane mural murky museum mushily music musket musty mutate
mutual muzzle myself mystify myth nacho nail name nanny napkin napping narrow native nature navy nearby neatly nebula
nectar nemesis neon nephew nervy nest neuron never nibble niece nifty nimbly ninja ninth nuclei nugget nullify numbing
numeral nursery nurture nutlike nutmeg nylon oasis oat object obliged oblong oboe obscure obtain obvious occupy ocean
ocelot octagon october old olive omen ominous onboard ongoing onion online only onset onshore onstage onto onward onyx
oops oozy opacity opal operate oppose osmosis otter ounce outage outbid outcome outfit outgrow outing outlet output
outrank outsell outward overact owl oxford oxidant oxygen ozone paced pacify padded padlock pager pajamas palace
paltry panama pancake panda pants paprika papyrus parade parcel pardon parish parka parlor parrot parsley party
passage pasta patio patrol paving payback payee payment payroll pebble pecan pectin pelican pellet pelt penalty pencil
pendant penny penpal pension pep perch perfume perm peso petal petite petunia phantom phoenix phoney photo placard
plant plasma plating player plaza pleat pledge plenty pliable plop pluck plug plural plywood poem pogo pointy poise
poker poking policy polka polygon poncho pond popcorn poplar poppy porous portal posh possum posted pouch pouring
powdery powwow prance precut predict prefix pregame prelaw premium prepay preshow pretty prevail prewar primal print
prior prism privacy prize problem process prodigy profile progeny prong proofs props prorate proton proud proved
prowler proxy pruning public pueblo pull pulse puma pumice pungent punk pupil puppet purely purge purify purple purr
pursuit pushup pyramid python quail qualify quantum quartet quicken quilt quintet race racing racoon radar radio raft
ragweed railcar raisin ramble ramp ramrod ranch random ranged ranking rarity ravioli reactor ream reawake rebirth
reboot rebuild recall recede recital reclaim recopy rectify reenact referee refill reflex refold refract refund regain
reggae regress regular reheat rehire rejoin relax relearn relic reload rely remake remedy remix remnant remorse rename
renewal rented reoccur reopen reorder repair repeal replay repost reprint reptile request reroute rerun resale rescuer
reset reshape resize resort respect result retail rethink retinal retouch retry return retype reunion reverb revise
reward rewind rework rewrap rhyme ribcage riches rickety ridden riding rifling rigging rigid rigor rimless rind
rinsing ripcord ripple riptide rise risotto ritalin ritzy rival riveter roaming roast robe robin robust rocket roman
roping roster rosy rotting rotunda roundup routine royal rubbed rubdown ruby ruckus rummage rumor runny runway rupture
sabbath saddled safari safely saffron saga sagging said salad salon salsa salute salvage sandal sank santa sapling
sarcasm sardine satchel satin saucy sauna savanna saved savings savor say scabbed scale scant scarf scenic scheme
scholar scoff scoop scorch scouts scrap screen scribe scroll scruffy scuba scuttle second secret sector secular sedan
segment seismic seldom seltzer seminar senate senior sepia septum sequel series serpent serve sesame setback seventh
shabby shack shaded shaky shallot shampoo shanty shape sharper shawl sheath shed shelf sherry shield shifter shimmy
shine shirt shopper shore shown shrank shriek shrug shudder shuffle shush shut siamese sibling silent silica silk
silly silver simile sincere singer sinuous siren sister sitcom sitting sixfold sixth sizable size sizing sizzle skater
skeptic skewed skier skilled skimmed skipper slab slacks sleep slept sliced slogan sloped slot small smith smoky
smudge snap snazzy sneer snooze snout snowy snugly speak specks speed spent sphere sphinx spider spiffy spill spiny
spiral splice spoils spoken sponge spoon sports spotty spouse spray spree sprig sprout spruce spur squash squid stable
staff stage stamp stand starry stash static stays stem stick stilt stinky stir stitch stole stony stood storm straw
streak strict strobe strum stucco study stuffy stylus sublet subpar subtly suburb subway sudoku suds suffix sugar
suitor sulfur supply surfer survey sushi swan swarm swell swirl swivel sworn swung syrup system tabby tables tackle
taco tag talcum tamale tamer taps target tarmac tartly task tassel tasty tavern thank that thee thesis thing thirty
thorn those thread thrift throat thud thumb tiara tidal tidbit tidy tiger tile timid tingly tinker tinsel tipoff
tipper tiptop tiring tissue track trade treat treble tremor trend trial tricky trifle trio tripod trophy trough trowel
trunks truth tulip tummy turf turkey turret turtle tutor tutu tux tweak tweed twelve twenty twig twine twisty twitch
ultra umpire unbend unclip uncork uneven unfold unglue unhook unify unison unit unless unmade unpack unplug unread
unruly unseen unsnap until unused unwary unwell unwind unworn unzip upbeat update upheld uphill upload upon upper
uproot upside uptake uptown upward urban urchin urgent urging usable usage used usher utmost utopia vacant valid value
vanity varied vastly veal vegan veggie velvet vendor venue verify verse very vessel veto viable vibes video viewer
violet visa vision visor voice voter voting vowed voyage wafer wages waggle wagon walk walnut walrus waltz wand wanted
wasabi washer wasp wham wharf wheat whinny whole whoops why widen widget width wifi wilder willow winner wipe wired
wiry wisdom wispy wobble wok woof word woven wreath yard yelp yodel yoga yogurt yonder yoyo zebra zen zero zesty zips
zodiac zoning zoom
""".split()  # noqa: SIM905  # a list of 2,048 literals would take 2,048 lines
)
