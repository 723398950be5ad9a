"""The words that tell Darija from its neighbours, in both scripts: no trained detector knows them."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DARIJA_WORDS = _words(
    """
    شنو شنوا شنا شناهو شناهي شنوهو اشنو اش واش بغيت بغيتي بغينا بغيتو بغا بغات كنبغي نبغي تبغي مابغيتش كيفاش
    ديال ديالي ديالك ديالكم ديالو ديالها ديالنا ديالهم دابا بزاف فين فينا فينكم منين شحال بشحال علاش علاه كاين
    كاينه كاينين ماكاينش مكاينش ماكاين ماشي حيت هاد هادا هادي هادو هادشي داك ديك دوك داكشي لي اللي بحال غادي
    غاندير غادين خاصني خاصنا خاصك خاصكم خصني خصنا راه راها راني راكم راهم هدر سير جيب جيبو عطيني عطيوني صافي
    مزيان مزيانه واخا لاباس لباس بلاصه شكون فوقاش وقتاش امتا ايمتا عافاك عفاك عافاكم كتديرو كياخد كيبقي كتاخد
    كيكون كتكون كندير كيدير كتدير ندير ديرو دير مزال مازال باقي شي شويه خويا ختي لالا ولا نقدر تقدر تقدرو يمكنلي
    كانت ملي فاش باش عندو عندكوم ديما هنا تما حداكم تاني زوين زوينه خايب سميتي كيفاه قداش نعاود عاود دغيا هاك
    گاع ݣاع قبيله البارح غدا ليوم اليوما سلام هضر نهضر صيفط صيفطو صيفطت نصيفط فلوس لفلوس فلوسي كوموند كوموندا
    لاكوموند ليفريزون طوموبيل تليفون نخلص خلصت تخلص نتسنى كنتسنى تسنيت كتوصلو كتبيعو كتقبلو كتخدمو كتحلو كتسدو
    كيوصل نشري شريت كنشري نبدل نبدلو تبدلو وصلاتني وصلات ماوصلاتش ماوصلتش ماوصلنيش مهرس مهرسه خاسر حانوت الحانوت
    """
)
"""Words of Darija in Arabic script, folded (see `fold_arabic`), that standard Arabic does not use in that sense."""

STANDARD_ARABIC_WORDS = _words(
    """
    ما ماذا هل اين متي كيف لماذا كم اريد ارغب اود احتاج يمكنني يمكن استطيع هذا هذه ذلك تلك التي الذي الذين ليس
    ليست لدي لديكم لديك سوف لقد قد لن لم ان انا نحن عن اي ايه نعم فضلك فضلكم السلام عليكم شكرا لكم يرجي الرجاء
    خلال عند بعد قبل كيفيه اذا لكن ايضا جدا حول كما ينبغي يجب عبر الي مرحبا صباح مساء الخير اهلا على توصلون
    تبيعون تقبلون اتواصل تواصل طلبيتي طلبي
    """
)
"""Words of standard Arabic, folded, that Darija mostly says otherwise."""

ARABIZI_WORDS = _words(
    """
    bghit bghiti bghina bghito bgha bghat kanbghi nbghi tbghi wach wax chno chnou chnu chnuwa shno shnou chniya
    chnahiya chnahowa achno achnou ach kifach kifash kifax kifaxe dyal dyali dyalek dyalk dyalkom dyalo dyalha
    dyalna diali dialek dialkom dialo dialna daba bzaf bezaf bezzaf bzzaf fin finahiya finkom mnin 3lach 3lash
    3lah chhal ch7al sh7al chehal bchhal bch7al b7al bhal chkon chkoun imta imtta emta fo9ach foqach wa9tach
    waqtach kayn kayen kayna kaynin makaynch makayn machi hit 7it 3afak afak 3afakom 3la 3nd 3ndi 3ndkom 3endkom
    3andi 3andkom andi andkom andkoum endkom 3andek salam slm salamo salamou labas lbas hamdullah hamdoulah
    hamdolah inchallah nchallah chokran choukran shokran chukran choukrane bslama beslama safi wakha waxa mezyan
    mzyan mezian mzian zwin zwina khouya khoya khti lalla jib jibo jibou 3tini atini goli goliya gouliya hadi
    hada hadak hadik hado had hadchi hadshi dak dik dakchi lli likom lina liya khasni khassni khas khass khasna
    khassna ghadi ghadya ghandir gha rah raha rahi rani rakom dir ndir ndiro diro kandir katdir kaydir kadiro
    katdiro sahbi lyoum lyouma lyom ghedda ghda ghadda lbareh lbar7 m3a ila ana nta nti ntouma ntoma ntuma bla
    chi chwiya chouia bach bax fach mli meli mazal mazala ba9i ba9a dima hna hnaya temma ta7ad walo walou wala
    wla nqder n9der ne9der nakder nqdar n9dar te9dro tqdro t9dro kayhder lwe9t lwa9t smiti smiytkom golou gallia
    galo s7i7 bsa7 bssah mn men f bikhir mrhba mer7ba merhba sba7 sbah lkhir masa2 akhouya a5ouya sift sifet
    sifto siftou siyfet mouchkil mochkil mouchkila mochkila lflous flous floss flousi taman ttaman tman lkhlas
    khlas nkhles nkhless nkhelles nkhalles nkhlles khlest khelast tawsil twsil ttawsil lcommande lkomande
    lkomand lakomand kommand komand nrje3 nraje3 rje3 rja3 traj3o nbddel nbedel nbeddel nbdel tbdel tbadlo
    kantsna kantsenna ntsna tsenit wslat wslatni waslat weslat mawslatch mawsaltch mawslatnich tkhdem khdam
    khdama khdamin mherres mherresa mharsa khasra khaser 3ayn nchri nechri chrit chrina tchri ldar dar lmdina
    mdina hanout 7anout katqblo kat9blo katwslo katwsslo katwesslo katbi3o katbi3ou katkhdmo nhder hder
    lmouchkil lmochkil l7anout lhanout swiya
    """
)
"""Words of Darija in Latin script, without accents."""

AMBIGUOUS_ARABIZI_WORDS = _words(
    """
    fin had men mn f ach ana dar dir dik chi hit afak andi safi hada bla ila gha hna lina wala salam sift khas
    mdina rah dak ghda
    """
)
"""Of `ARABIZI_WORDS`, those that other languages write too, or borrow: half a hint each."""

FRENCH_WORDS = _words(
    """
    le la les l un une des du de d je j tu il elle on nous vous ils elles est sont suis ai as avez avons etes
    etre avoir au aux et ou que qu qui quoi quel quelle quels quelles quand comment pourquoi combien pour par
    sur dans avec sans ce cet cette ces c ca cela mon ma mes ton ta tes votre vos notre nos leur leurs son sa
    ses me te se m t mais pas ne n plus peut puis peux pouvez pourrais voudrais veux voulez faire fais faites
    fait svp s si y en a oui non donc car alors aussi tres bien encore toujours deja ici tout tous toute
    """
)
ENGLISH_WORDS = _words(
    """
    the an is are do does did can could i you my your we our it they what where when how why which who of for to
    in on with and not have has had please if would will from this that these those there be am was were me us
    or at by as so about any some yes no
    """
)
"""The small words that hold French or English sentences together, without accents."""
LONE_FRENCH_WORDS = _words(
    "bonjour bonsoir merci salut coucou commande livraison remboursement retour colis paiement facture prix"
)
LONE_ENGLISH_WORDS = _words("hello hi thanks thank hey order refund delivery shipping payment invoice price bye")
"""Single words that a trained detector assigns to the wrong language."""

GREETING_WORDS = _words(
    """
    bonjour bonsoir salut coucou bjr bsr hello hi hey salam slm salamo salamou salamoalaykom assalam assalamu
    alaykom alaykoum aleykoum 3alikom 3likom 3alaykom 3alaykoum alikom labas lbas cv morning afternoon evening
    va cava sba7 sbah lkhir lkhayr msa2 masa2 سلام السلام عليكم مرحبا اهلا وسهلا صباح مساء الخير النور لاباس
    لباس هلا حالكم حالك
    """
)
THANKS_WORDS = _words(
    """
    merci thanks thank thx chokran choukran choukrane shokran shukran chukran شكرا مشكور مشكورين mercii
    tbarkallah تباركالله يعطيك الصحه بارك ok okay oki accord safi wakha واخا صافي
    """
)
FAREWELL_WORDS = _words(
    """
    journee soiree revoir bye goodbye bslama beslama بسلامه بالسلامه السلامه وداعا ciao tchao اللقاء
    """
)
COURTESY_FILLERS = _words(
    """
    salambot sb a au bien vous toi tous tout le monde beaucoup ca comment allez tu you good there very much so
    lot bonne bon nice day have bot d oui bzaf khouya khoya sidi lalla likom lik 3lik سلامبوت سلام بوت يا جزيلا
    لكم لك بزاف خويا ختي سيدي لالا عليك و ورحمه الله وبركاته تعالي مع الي كيف فيك فيكم
    """
)
"""Words of small talk; filler words alone carry no meaning."""
